"""suites.py FOLDER - public test suites, so that anyone can check the modules with files of their own.

    JSONTestSuite/test_parsing/*.json   against json.c: y_ must be accepted and n_ refused
    utf8tests/utf8tests.txt             against json_is_utf8: `NUMBER:KIND:TEXT`
    sha1/*.rsp                          against sha1.c: messages and Monte Carlo tests of NIST's program

json.c and sha1.c are loaded as a library, which CC builds. The last line is `N passed, N failed`.
"""
import ctypes
import glob
import os
import re
import subprocess
import sys

sys.path.append('tests')
from check import check, report  # noqa: E402

LIBRARY = 'build/suites.so'


class Str(ctypes.Structure):
    """struct str of str.h"""
    _fields_ = [('s', ctypes.c_char_p), ('len', ctypes.c_size_t)]


def load():
    os.makedirs('build', exist_ok=True)
    subprocess.run([*os.environ.get('CC', 'cc').split(), '-std=c99', '-O2', '-shared', '-fPIC', '-o', LIBRARY,
                    'json.c', 'sha1.c', 'str.c'], check=True)
    library = ctypes.CDLL(os.path.abspath(LIBRARY))
    library.json_check.argtypes = library.json_is_utf8.argtypes = [Str]
    library.json_is_utf8.restype = ctypes.c_bool
    return library


def is_json(name):
    """RFC 8259 leaves a choice for i_. A number is kept as text and never computed, so any size is accepted.
    Refused is what is not UTF-8, half a surrogate pair, and what is nested deeper than JSON_MAX_DEPTH."""
    return name.startswith(('y_', 'i_number_'))


def test_json(path):
    with open(path, 'rb') as file:
        text = file.read()
    name = os.path.basename(path)
    check(name, C.json_check(Str(text, len(text))) != 0, is_json(name))


def test_utf8(path):
    with open(path, 'rb') as file:
        for number, kind, text in re.findall(rb'(?m)^([0-9.]+): *([a-z ]+):([^:\n]*)', file.read()):
            if b'hex' in kind:
                text = bytes.fromhex(text.decode())
            check(f'{path}: {number.decode()}', C.json_is_utf8(Str(text, len(text))), kind[:1] == b'v')


def sha1(message):
    context, digest = ctypes.create_string_buffer(1024), ctypes.create_string_buffer(20)
    C.sha1_init(context)
    C.sha1_update(context, message, ctypes.c_size_t(len(message)))
    C.sha1_final(context, digest)
    return digest.raw


def monte_carlo(seed):
    """A thousand digests, each of the three before it."""
    digests = [seed] * 3
    for _ in range(1000):
        digests = digests[1:] + [sha1(b''.join(digests))]
    return digests[2]


def test_sha1(path):
    value = {}
    with open(path) as file:
        for key, text in re.findall(r'(?m)^(Len|Msg|Seed|COUNT|MD) = (\w+)', file.read()):
            value[key] = text
            if key == 'Seed':
                seed = bytes.fromhex(text)
            elif key == 'MD' and 'Seed' in value:
                seed = monte_carlo(seed)
                check(f'{path}: {value["COUNT"]}', seed.hex(), text)
            elif key == 'MD':
                message = bytes.fromhex(value['Msg'])[:int(value['Len']) // 8]
                check(f'{path}: {value["Len"]} bits', sha1(message).hex(), text)


C = load()
for test, pattern in ((test_json, 'JSONTestSuite/test_parsing/*.json'),
                      (test_utf8, 'utf8tests/utf8tests.txt'), (test_sha1, 'sha1/*.rsp')):
    for file_name in sorted(glob.glob(os.path.join(sys.argv[1], pattern))):
        test(file_name)
report()
