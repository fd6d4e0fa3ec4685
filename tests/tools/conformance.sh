#!/bin/sh
# conformance.sh FOLDER - runs programs of the folder against ./server, with its address as their argument:
# the responses of the Python original, requests with what the RFCs demand, and public files of JSON and
# UTF-8 sent as a login; and the public test suites. Nothing is tested if there is no such folder.
. tests/check.sh
. tests/server.sh
folder=$1
[ -d "$folder" ] || report
work=build/conformance
mkdir -p $work
serve $work ./server -q -b 0 -a 127.0.0.1 -p 0 || exit 1
trap 'kill "$pid"; wait "$pid"' EXIT

program() { # NAME PROGRAM ARGUMENT: a script without arguments
    printf '#!/bin/sh\nexec python3 "%s" "%s"\n' "$2" "$3" >$work/$1
    chmod +x $work/$1
}
program original "$folder/reference/check.py" "127.0.0.1:$port"
program rfcs "$folder/conformance/drive.py" "127.0.0.1:$port"
program logins "$folder/conformance/json_live.py" "127.0.0.1:$port"
program suites tests/tools/suites.py "$folder/data"
sh tests/run.sh $work/original $work/rfcs $work/logins $work/suites
