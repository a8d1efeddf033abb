#!/bin/sh
# Makes the folder that the image copies: `sh scripts/image-root.sh TARGET`, in a checkout whose packages are installed,
# with the Node and npm that come first in PATH. The Dockerfile runs it, and test/unit/image.test.ts: what is tested is
# what is shipped.
set -eu
target=${1:?usage: sh scripts/image-root.sh TARGET}

cd "$(dirname "$0")/.."
mkdir -p "$target/dist"
target=$(cd "$target" && pwd)
node node_modules/typescript/bin/tsc -p tsconfig.build.json --outDir "$target/dist"
cp package.json package-lock.json LICENSE "$target/"
cp -R crds manifests "$target/"

cd "$target"
npm ci --omit=dev --ignore-scripts --prefer-offline --no-audit --no-fund
# What only editors and debuggers read is half of it.
find . -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \) -delete
rm package-lock.json node_modules/.package-lock.json
