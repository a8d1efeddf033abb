// helm-render prints what a Helm chart makes of values, as `helm template` would: rendered by Helm's own engine, with
// its defaults, and checked against the schema of the values by Helm. The whole of helm takes far longer to compile.
// Usage: helm-render CHART RELEASE NAMESPACE < values.yaml
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, input io.Reader, output io.Writer) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: helm-render CHART RELEASE NAMESPACE < values.yaml")
	}
	chart, err := loader.Load(args[0])
	if err != nil {
		return err
	}
	text, err := io.ReadAll(input)
	if err != nil {
		return err
	}
	values, err := chartutil.ReadValues(text)
	if err != nil {
		return err
	}
	release := chartutil.ReleaseOptions{Name: args[1], Namespace: args[2], Revision: 1, IsInstall: true}
	renderValues, err := chartutil.ToRenderValues(chart, values, release, chartutil.DefaultCapabilities)
	if err != nil {
		return err
	}
	files, err := engine.Render(chart, renderValues)
	if err != nil {
		return err
	}
	for _, crd := range chart.CRDObjects() {
		files[crd.Filename] = string(crd.File.Data)
	}
	return print(files, output)
}

func print(files map[string]string, output io.Writer) error {
	names := make([]string, 0, len(files))
	for name := range files {
		if filepath.Ext(name) == ".yaml" && strings.TrimSpace(files[name]) != "" {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, name := range names {
		if _, err := fmt.Fprintf(output, "---\n# Source: %s\n%s\n", name, files[name]); err != nil {
			return err
		}
	}
	return nil
}
