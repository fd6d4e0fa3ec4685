#!/bin/sh
# Runs the public test suites that are in FOLDER:
#
#     suites.sh PROGRAM FOLDER
#
#     JSONTestSuite/test_parsing/*.json   y_ must be accepted and n_ refused; RFC 8259 leaves a
#                                         choice for i_, and the table below has ours, and why
#     utf8tests/utf8tests.txt             valid and invalid UTF-8
#     sha1/*.rsp                          messages and digests of NIST
#
# PROGRAM is suites.c, built. The exit status is 1 if something differs; the last line is
# `N passed, N failed`.
program=$1 folder=$2 passed=0 failed=0

choices() {
    cat <<'END'
accepts i_number_double_huge_neg_exp.json  a number is kept as text and never computed
accepts i_number_huge_exp.json             the same
accepts i_number_neg_int_huge_exp.json     the same
accepts i_number_pos_double_huge_exp.json  the same
accepts i_number_real_neg_overflow.json    the same
accepts i_number_real_pos_overflow.json    the same
accepts i_number_real_underflow.json       the same
accepts i_number_too_big_neg_int.json      the same
accepts i_number_too_big_pos_int.json      the same
accepts i_number_very_big_negative_int.json  the same
refuses i_object_key_lone_2nd_surrogate.json  half a surrogate pair is not a character
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
refuses i_string_UTF-8_invalid_sequence.json  JSON text must be UTF-8 (RFC 8259 section 8.1)
refuses i_string_invalid_utf-8.json        the same
refuses i_string_iso_latin_1.json          the same
refuses i_string_lone_utf8_continuation_byte.json  the same
refuses i_string_not_in_unicode_range.json  the same: UTF-8 ends at U+10FFFF
refuses i_string_overlong_sequence_2_bytes.json  the same: only the shortest encoding is valid
refuses i_string_overlong_sequence_6_bytes.json  the same
refuses i_string_overlong_sequence_6_bytes_null.json  the same
refuses i_string_truncated-utf-8.json      the same
refuses i_string_UTF-16LE_with_BOM.json    UTF-16 is not UTF-8 (RFC 8259 section 8.1)
refuses i_string_utf16BE_no_BOM.json       the same
refuses i_string_utf16LE_no_BOM.json       the same
refuses i_structure_500_nested_arrays.json  nested deeper than JSON_MAX_DEPTH
refuses i_structure_UTF-8_BOM_empty_object.json  RFC 8259 section 8.1
END
}

# Adds up a last line `N passed, N failed`.
add() {
    passed=$((passed + ${1%% passed*}))
    set -- "${1#*, }"
    failed=$((failed + ${1%% failed*}))
}

# Reads the output of `suites json`. A file without a rule or a row is a failure too.
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
    output=$(if [ "$1" = json ]; then "$program" "$@" | judge; else "$program" "$@"; fi)
    printf '%s\n' "$output"
    add "$(printf '%s\n' "$output" | tail -n 1)"
}

run json "$folder"/JSONTestSuite/test_parsing/*.json
run utf8 "$folder"/utf8tests/utf8tests.txt
run sha1 "$folder"/sha1/*.rsp
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
