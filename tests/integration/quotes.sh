#!/bin/sh
# quotes.sh - compares the quotations in docs/ with the files that they quote.
#
#     sh tests/integration/quotes.sh     from the top of the project
#
# A quotation is a fenced block that begins with "```c FILE". Its lines must stand in the file one after
# the other. The last line of the output is `N passed, N failed`.
awk '
    function check(   at) {
        at = index(whole, "\n" quoted)
        if (at) { passed++; return }
        failed++
        printf "FAIL %s:%d: %s does not contain\n%s", FILENAME, first, file, quoted
    }
    function load(path,   line) {
        whole = "\n"
        while ((getline line <path) > 0) whole = whole line "\n"
        close(path)
    }
    /^```c ./ { file = $2; first = FNR; quoted = ""; load(file); inside = 1; next }
    /^```/ && inside { inside = 0; check(); next }
    inside { quoted = quoted $0 "\n" }
    END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }
' docs/*.md
