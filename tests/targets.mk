# The tests beyond `make test`. Each target runs a script below tests/ whose head says what it does and
# what it needs. Most scripts end with `N passed, N failed`.
.PHONY: fuzz exhaustive boundaries suites conformance lint static size boards portable boot memory services \
	fronts browser clients packaging documents trace bench count load soak faults coverage mutate matrix proofs mistakes

# fuzz: four fuzzers, a minute each; FUZZ= seconds and names
fuzz:
	sh tests/fuzz/run.sh $(FUZZ)
# exhaustive: every short request and JSON text against a second opinion, under the sanitizers
exhaustive:
	mkdir -p build
	$(CC) -std=c99 -O2 -g -fsanitize=address,undefined -fno-sanitize-recover=all -I. \
	    -DHTTP_BUFFER_SIZE=2048 -o build/exhaustive_more tests/fuzz/exhaustive.c http.c json.c str.c
	build/exhaustive_more 1
# boundaries: what each module may not ask of the system
boundaries: server
	sh tests/tools/boundaries.sh
# suites: public test suites for JSON, UTF-8 and SHA-1; SUITES= their folder
suites:
	CC='$(CC)' python3 tests/tools/suites.py $(SUITES)
# conformance: the tests of another folder, which may be missing; SHARED= its path
SHARED = ../shared
conformance: server
	CC='$(CC)' sh tests/tools/conformance.sh $(SHARED)
# lint: gcc's analyzer, clang-tidy and cppcheck
lint:
	sh tests/tools/lint.sh
# static: a small executable without shared libraries, and its size
static:
	CC='$(CC)' CPPFLAGS='$(CPPFLAGS)' sh tests/cross/static.sh
# size: text, data and bss of each module on each target
size:
	CC='$(CC)' sh tests/cross/size.sh
# boards: the tests of `make test` on other processors under qemu
boards:
	CC='$(CC)' sh tests/cross/boards.sh
# portable: other compilers, standards and C libraries, lwIP, and nothing but POSIX names
portable:
	CC='$(CC)' sh tests/cross/portable.sh
# boot: emulated Arm boards on which the server is the only program; KERNEL=build, BOOT= names
boot:
	KERNEL='$(KERNEL)' sh tests/cross/boot/boot.sh $(BOOT)
# memory: the memory of a small board's build
memory:
	CC='$(CC)' sh tests/cross/memory.sh
# services: systemd and BusyBox's init
services: server
	sh tests/run.sh tests/integration/services.sh
# fronts: behind nginx, and three servers behind HAProxy
fronts: server
	sh tests/run.sh tests/integration/nginx.sh tests/integration/haproxy.sh
# browser: Chromium logs in, is greeted, and is refused across sites
browser: server
	sh tests/run.sh tests/integration/browser.sh
# clients: curl, wget, HTTPie, Python, Node, ab, wrk
clients: server
	sh tests/run.sh tests/integration/clients.sh
# packaging: install and uninstall, the manual page, the README's lines for scripts
packaging: server
	sh tests/run.sh tests/integration/install.sh tests/integration/script.sh
# documents: the commands, links, pictures and quotations of docs/, and the trees of make trace
documents: server
	CC='$(CC)' sh tests/run.sh tests/integration/docs.sh tests/trace/check.sh
# trace: the calls of each request of the README's walk, as a tree; TRACE=-a for all of them
trace:
	CC='$(CC)' sh tests/trace/trace.sh $(TRACE)
# bench: speed, compared with a baseline and with other servers; BENCH=-q for a quick look
bench: server
	python3 tests/bench/run.py $(BENCH)
# count: instructions and system calls per request, and the size of the text
count: server
	CC='$(CC)' sh tests/bench/count.sh
# load: noisy neighbours, shutdowns under load, secrets in memory
load: server
	CC='$(CC)' sh tests/load/run.sh
# soak: a mixed load for ten minutes, or SOAK= seconds
soak: server
	CC='$(CC)' sh tests/load/run.sh soak $(SOAK)
# faults: every call to the C library fails at its first, second, third time
faults:
	CC='$(CC)' sh tests/fault/run.sh
# coverage: the lines and branches that the tests execute
coverage:
	CC='$(CC)' sh tests/tools/coverage.sh
# mutate: changes the sources in one place at a time, and checks that the tests notice
mutate:
	python3 tests/mutate/mutate.py $(MUTATE)
# matrix: `make test` with other compilers, optimizations and sanitizers
matrix:
	sh tests/tools/matrix.sh
# proofs: no run-time error for any input of any length, all states of the tables, SHA-1; PROOFS= source files
proofs:
	CC='$(CC)' python3 tests/proofs/prove.py $(PROOFS)
# mistakes: each mistake of a list makes the proofs fail, or each MISTAKES-th
mistakes:
	CC='$(CC)' sh tests/proofs/mistakes.sh $(MISTAKES)
