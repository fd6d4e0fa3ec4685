# What is proved beyond `make test`: each target is a script below tests/ that says at its head what it
# does and needs, and ends with `N passed, N failed`.

# fuzz: six fuzzers, a minute each; FUZZ= seconds and names
fuzz:
	sh tests/fuzz/run.sh $(FUZZ)
# suites: public test suites for JSON, UTF-8 and SHA-1; SUITES= the folder they are in
suites: programs
	sh tests/suites.sh build/suites $(SUITES)
# lint: gcc's analyzer, clang-tidy and cppcheck
lint:
	sh tests/lint.sh
# static: one file without shared libraries, and its size
static:
	CC='$(CC)' CPPFLAGS='$(CPPFLAGS)' sh tests/boards/static.sh
# size: text, data and bss of each room on each target
size:
	CC='$(CC)' sh tests/boards/size.sh
# boards: the whole suite on Arm, MIPS, PowerPC, s390x, RISC-V and i386 under qemu
boards:
	CC='$(CC)' sh tests/boards/boards.sh
# portable: other compilers and standards, and POSIX names alone
portable:
	CC='$(CC)' sh tests/boards/portable.sh
# memory: what a small board's build takes
memory:
	CC='$(CC)' sh tests/boards/memory.sh
# services: systemd, BusyBox's init, a handed-over socket
services: server
	sh tests/run.sh tests/world/handover.sh tests/world/services.sh
# fronts: behind nginx, and three servers behind HAProxy
fronts: server
	sh tests/run.sh tests/world/nginx.sh tests/world/haproxy.sh
# browser: Chromium logs in, is greeted, is refused across sites
browser: server
	sh tests/run.sh tests/world/browser.sh
# clients: curl, wget, HTTPie, Python, Node, ab, wrk, h2load
clients: server
	sh tests/run.sh tests/world/clients.sh
# packaging: install and uninstall, the man page, the README's lines for scripts
packaging: server
	sh tests/run.sh tests/world/install.sh tests/world/script.sh
# bench: beside the floor and the rivals; BENCH=-q for a quick look
bench: server
	python3 tests/bench/run.py $(BENCH)
# count: instructions and system calls a request, and the size of the text
count: server
	CC='$(CC)' sh tests/bench/count.sh
# load: bad neighbours, sessions under attack, stops under load
load: server
	CC='$(CC)' sh tests/load/run.sh
# soak: a mixed load for ten minutes, or SOAK= seconds, drawn as an SVG
soak: server
	CC='$(CC)' sh tests/soak/run.sh $(SOAK)
# faults: every call of the rooms fails at its first, second, third time
faults:
	CC='$(CC)' sh tests/faults/run.sh
# coverage: the lines and branches that all tests walk
coverage:
	CC='$(CC)' sh tests/coverage.sh
# mutate: breaks the rooms at one place at a time, and sees whether the tests notice
mutate:
	python3 tests/mutate/mutate.py $(MUTATE)
# matrix: make test with other compilers, optimizations and watchers
matrix:
	sh tests/matrix.sh
