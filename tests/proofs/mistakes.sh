#!/bin/sh
# mistakes.sh [N]: makes each mistake of mistakes.txt in a copy of the sources, or each N-th, and checks that
# the proofs of its functions fail. Ends with `N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit 1
every=${1:-1} number=0 passed=0 failed=0 copy=build/proofs/mistake
while IFS='|' read -r file functions edit; do
    case $file in '#'* | '') continue ;; esac
    number=$((number + 1))
    [ $((number % every)) -eq 0 ] || continue
    rm -rf $copy && mkdir -p $copy && cp ./*.c ./*.h $copy
    sed "$edit" "$file" >"$copy/$file"
    if cmp -s "$file" "$copy/$file"; then
        result='changes nothing'
    elif [ "$functions" = program ]; then
        result=$(sh tests/proofs/programs.sh "${file%.c}" $copy 2>&1 | grep -m 1 '^FAIL:')
    else
        result=$(python3 tests/proofs/prove.py --sources $copy --build $copy/proofs --functions "$functions" \
            "$file" 2>&1 | grep -m 1 '  OPEN:')
    fi
    case $result in
    *FAIL:* | *OPEN:*) passed=$((passed + 1)) && echo "caught: $file: $edit:$result" ;;
    *) failed=$((failed + 1)) && echo "FAIL: not caught: $file: $functions: $edit: $result" ;;
    esac
done <tests/proofs/mistakes.txt
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
