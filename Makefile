# The server and its tests: POSIX make, a C99 compiler, nothing else. `make help` lists what it does.
.POSIX:
CC = cc
CFLAGS = -std=c99 -pedantic -Wall -Wextra -O2
CPPFLAGS =
LDFLAGS =
PREFIX = /usr/local
DESTDIR =
BIN = $(DESTDIR)$(PREFIX)/bin
MAN = $(DESTDIR)$(PREFIX)/share/man/man8

# Guards: addresses by chance, a watched stack, checked copies, tables that nobody can write to.
HARD_CC = -fPIE -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
HARD_LD = -pie -Wl,-z,relro,-z,now,-z,noexecstack

ROOMS = app.c server.c http.c json.c db.c sha1.c
OBJECTS = app.o server.o http.o json.o db.o sha1.o
HEADERS = server.h http.h json.h db.h sha1.h str.h
TESTS = build/test_sha1 build/test_json build/test_http build/test_db build/compare \
	build/test_server build/test_options tests/smoke.sh
BUILD = $(CC) $(CPPFLAGS) -I. $(CFLAGS) $(LDFLAGS)

all: server
server: $(OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJECTS)

$(OBJECTS): $(HEADERS)
.c.o:
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

hardened:
	$(BUILD) $(HARD_CC) $(HARD_LD) -o server $(ROOMS)

run: server
	./server
test: server programs
	sh tests/run.sh $(TESTS)

# The server under test has short seconds, so that every deadline comes soon.
programs:
	mkdir -p build
	$(BUILD) -DSERVER_SECOND=50000000 -o build/server $(ROOMS)
	for t in sha1 json http db; do \
	    $(BUILD) -o build/test_$$t tests/test_$$t.c http.c json.c db.c sha1.c || exit; done
	$(BUILD) -UHTTP_BUFFER -DHTTP_BUFFER=2048 -o build/compare tests/model/compare.c http.c
	$(BUILD) -o build/suites tests/suites.c json.c sha1.c
	for t in server options; do $(BUILD) -o build/test_$$t tests/test_$$t.c || exit; done

# cp -f takes the place of a server that runs; the modes do not depend on the umask.
install: server
	umask 022 && mkdir -p "$(BIN)" "$(MAN)"
	cp -f server "$(BIN)/server" && chmod 755 "$(BIN)/server"
	cp -f server.8 "$(MAN)/server.8" && chmod 644 "$(MAN)/server.8"
uninstall:
	rm -f "$(BIN)/server" "$(MAN)/server.8"
clean:
	rm -rf server *.o build
help:
	@echo 'make          builds ./server; CC= and CFLAGS= choose the compiler'
	@echo 'make hardened builds it with the guards that compilers have; CC=gcc or clang'
	@echo 'make run      serves the example on port 8080'
	@echo 'make test     builds and runs the tests'
	@echo 'make install  to PREFIX (/usr/local) below DESTDIR; make uninstall takes it back'
	@echo 'make clean    removes all that was built'
	@sed -n 's/^# \([a-z]*\): \(.*\)/make \1: \2/p' tests/targets.mk
include tests/targets.mk
