# The tests beyond `make test`. Each target runs a script below tests/ whose head says what it does and
# what it needs. Most scripts end with `N passed, N failed`.

# fuzz: six fuzzers, a minute each; FUZZ= seconds and names
fuzz:
	sh tests/fuzz/run.sh $(FUZZ)
# suites: public test suites for JSON, UTF-8 and SHA-1; SUITES= their folder
suites: programs
	sh tests/suites.sh build/suites $(SUITES)
# lint: gcc's analyzer, clang-tidy and cppcheck
lint:
	sh tests/lint.sh
# static: a small executable without shared libraries, and its size
static:
	CC='$(CC)' CPPFLAGS='$(CPPFLAGS)' sh tests/boards/static.sh
# size: text, data and bss of each module on each target
size:
	CC='$(CC)' sh tests/boards/size.sh
# boards: the tests of `make test` on other processors under qemu
boards:
	CC='$(CC)' sh tests/boards/boards.sh
# portable: other compilers, standards and C libraries, lwIP, and nothing but POSIX names
portable:
	CC='$(CC)' sh tests/boards/portable.sh
# boot: emulated Arm boards on which the server is the only program; KERNEL=build, BOOT=-m
boot:
	KERNEL='$(KERNEL)' sh tests/boot/boot.sh $(BOOT)
# memory: the memory of a small board's build
memory:
	CC='$(CC)' sh tests/boards/memory.sh
# services: systemd, BusyBox's init, socket activation
services: server
	sh tests/run.sh tests/world/handover.sh tests/world/services.sh
# fronts: behind nginx, and three servers behind HAProxy
fronts: server
	sh tests/run.sh tests/world/nginx.sh tests/world/haproxy.sh
# browser: Chromium logs in, is greeted, and is refused across sites
browser: server
	sh tests/run.sh tests/world/browser.sh
# clients: curl, wget, HTTPie, Python, Node, ab, wrk, h2load
clients: server
	sh tests/run.sh tests/world/clients.sh
# packaging: install and uninstall, the manual page, the README's lines for scripts
packaging: server
	sh tests/run.sh tests/world/install.sh tests/world/script.sh
# bench: speed, compared with a baseline and with other servers; BENCH=-q for a quick look
bench: server
	python3 tests/bench/run.py $(BENCH)
# count: instructions and system calls per request, and the size of the text
count: server
	CC='$(CC)' sh tests/bench/count.sh
# load: noisy neighbours, sessions under attack, shutdowns under load
load: server
	CC='$(CC)' sh tests/load/run.sh
# soak: a mixed load for ten minutes, or SOAK= seconds, drawn as an SVG
soak: server
	CC='$(CC)' sh tests/soak/run.sh $(SOAK)
# faults: every call to the C library fails at its first, second, third time
faults:
	CC='$(CC)' sh tests/faults/run.sh
# coverage: the lines and branches that the tests execute
coverage:
	CC='$(CC)' sh tests/coverage.sh
# mutate: changes the sources in one place at a time, and checks that the tests notice
mutate:
	python3 tests/mutate/mutate.py $(MUTATE)
# matrix: `make test` with other compilers, optimizations and sanitizers
matrix:
	sh tests/matrix.sh
