// Says what GitOps tools make of an object: Argo CD by a health check in Lua, Flux by kstatus. Both run the code that is
// here. The judge of test/cluster/gitops-health.test.ts.
//
// It reads one JSON object per line, {"health": Lua, "object": a Kubernetes object}, and answers each with a line:
// {"argo": {"status", "message"}, "flux": status}, or {"error"}.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type question struct {
	Health string         `json:"health"`
	Object map[string]any `json:"object"`
}

type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

type answer struct {
	Argo  health `json:"argo"`
	Flux  string `json:"flux"`
	Error string `json:"error,omitempty"`
}

func main() {
	decoder := json.NewDecoder(bufio.NewReader(os.Stdin))
	encoder := json.NewEncoder(os.Stdout)
	for decoder.More() {
		var asked question
		if err := decoder.Decode(&asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := encoder.Encode(judge(asked)); err != nil {
			os.Exit(1)
		}
	}
}

func judge(asked question) answer {
	argo, err := healthOf(asked)
	if err != nil {
		return answer{Error: err.Error()}
	}
	computed, err := status.Compute(&unstructured.Unstructured{Object: integers(asked.Object).(map[string]any)})
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Argo: argo, Flux: string(computed.Status)}
}

// healthOf has the libraries that Argo CD opens (util/lua/lua.go), and its second of time.
func healthOf(asked question) (health, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(ctx)
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return health{}, err
		}
	}
	state.SetGlobal("obj", toLua(state, asked.Object))
	if err := state.DoString(asked.Health); err != nil {
		return health{}, err
	}
	table, isTable := state.Get(-1).(*lua.LTable)
	if !isTable {
		return health{}, fmt.Errorf("the health check returned %s", state.Get(-1).Type())
	}
	return health{Status: text(table, "status"), Message: text(table, "message")}, nil
}

func text(table *lua.LTable, key string) string {
	return lua.LVAsString(table.RawGetString(key))
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch typed := value.(type) {
	case bool:
		return lua.LBool(typed)
	case float64:
		return lua.LNumber(typed)
	case string:
		return lua.LString(typed)
	case []any:
		table := state.NewTable()
		for _, item := range typed {
			table.Append(toLua(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range typed {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}

// integers makes whole numbers what unstructured objects have them as.
func integers(value any) any {
	switch typed := value.(type) {
	case float64:
		if typed == float64(int64(typed)) {
			return int64(typed)
		}
	case []any:
		for index, item := range typed {
			typed[index] = integers(item)
		}
	case map[string]any:
		for key, item := range typed {
			typed[key] = integers(item)
		}
	}
	return value
}
