"""check.py - how Python scripts check sentences and report the sum; check.sh is the same for shell."""
import sys

results = {True: 0, False: 0}


def check(sentence, seen, expected=True):
    results[seen == expected] += 1
    if seen != expected:
        print(f'FAIL {sentence}\n     expected: {expected}\n     seen:     {seen}')


def report():
    """Prints the sum as the last line, and ends the program."""
    print(f'{results[True]} passed, {results[False]} failed')
    sys.exit(results[False] > 0 or results[True] == 0)
