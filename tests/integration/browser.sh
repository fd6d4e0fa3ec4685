#!/bin/sh
# Headless Chromium logs in, is greeted and logs out; see browser.js.
cd "$(dirname "$0")/../.." || exit 1
. tests/integration/environment.sh
needs node chromium

start -a 127.0.0.1 -p 0
mkdir "$work/profile"
node tests/integration/browser.js "$port" "$work/log" "$(command -v chromium)" "$work/profile"
