#!/bin/sh
# Holds the rooms against the public test suites in FOLDER, those of them that are there:
#
#     suites.sh PROGRAM FOLDER
#
#     JSONTestSuite/test_parsing/*.json   y_ must be accepted and n_ refused; of the i_, where RFC
#                                         8259 leaves a choice, the table below says which, and why
#     utf8tests/utf8tests.txt             valid and invalid UTF-8
#     sha1/*.rsp                          NIST's messages and digests
#
# PROGRAM is suites.c, built. Exit status 1 where something differs; the last line is
# `N passed, N failed`.
program=$1 folder=$2 passed=0 failed=0

choices() {
    cat <<'END'
accepts i_number_double_huge_neg_exp.json  a number is its text here: it is never computed
accepts i_number_huge_exp.json             the same
accepts i_number_neg_int_huge_exp.json     the same
accepts i_number_pos_double_huge_exp.json  the same
accepts i_number_real_neg_overflow.json    the same
accepts i_number_real_pos_overflow.json    the same
accepts i_number_real_underflow.json       the same
accepts i_number_too_big_neg_int.json      the same
accepts i_number_too_big_pos_int.json      the same
accepts i_number_very_big_negative_int.json  the same
refuses i_object_key_lone_2nd_surrogate.json  half a surrogate pair is no character
refuses i_string_1st_surrogate_but_2nd_missing.json  the same
refuses i_string_1st_valid_surrogate_2nd_invalid.json  the same
refuses i_string_incomplete_surrogate_and_escape_valid.json  the same
refuses i_string_incomplete_surrogate_pair.json  the same
refuses i_string_incomplete_surrogates_escape_valid.json  the same
refuses i_string_invalid_lonely_surrogate.json  the same
refuses i_string_invalid_surrogate.json    the same
refuses i_string_inverted_surrogates_U+1D11E.json  the same
refuses i_string_lone_second_surrogate.json  the same
refuses i_string_UTF8_surrogate_U+D800.json  surrogates have no UTF-8 (RFC 3629 section 3)
refuses i_string_UTF-8_invalid_sequence.json  what is no UTF-8 is no JSON (RFC 8259 section 8.1)
refuses i_string_invalid_utf-8.json        the same
refuses i_string_iso_latin_1.json          the same
refuses i_string_lone_utf8_continuation_byte.json  the same
refuses i_string_not_in_unicode_range.json  the same: UTF-8 ends at U+10FFFF
refuses i_string_overlong_sequence_2_bytes.json  the same: of several spellings the shortest counts
refuses i_string_overlong_sequence_6_bytes.json  the same
refuses i_string_overlong_sequence_6_bytes_null.json  the same
refuses i_string_truncated-utf-8.json      the same
refuses i_string_UTF-16LE_with_BOM.json    UTF-16 is no UTF-8 (RFC 8259 section 8.1)
refuses i_string_utf16BE_no_BOM.json       the same
refuses i_string_utf16LE_no_BOM.json       the same
refuses i_structure_500_nested_arrays.json  32 deep is as deep as it goes
refuses i_structure_UTF-8_BOM_empty_object.json  no byte order mark is sent (RFC 8259 section 8.1)
END
}

# Adds up a last line `N passed, N failed`.
add() {
    passed=$((passed + ${1%% passed*}))
    set -- "${1#*, }"
    failed=$((failed + ${1%% failed*}))
}

# Reads what `suites json` says; a file that no rule and no row speaks of is a failure too.
judge() {
    { choices && echo && cat; } | awk '
        !after_choices { if (NF > 0) choice[$2] = $1; else after_choices = 1; next }
        {
            right = $2 ~ /^y_/ ? "accepts" : $2 ~ /^n_/ ? "refuses" : choice[$2]
            if ($1 == right) passed++
            else { failed++; print "FAIL it " $0 }
        }
        END { printf "%d passed, %d failed\n", passed, failed }'
}

run() { # NAME FILE...
    [ -f "$2" ] || return
    printf '%s: ' "$1"
    said=$(if [ "$1" = json ]; then "$program" "$@" | judge; else "$program" "$@"; fi)
    printf '%s\n' "$said"
    add "$(printf '%s\n' "$said" | tail -n 1)"
}

run json "$folder"/JSONTestSuite/test_parsing/*.json
run utf8 "$folder"/utf8tests/utf8tests.txt
run sha1 "$folder"/sha1/*.rsp
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
