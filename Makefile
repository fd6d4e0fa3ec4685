# Builds and tests the server. Needs a POSIX make and a C99 compiler. `make help` lists the targets.
.POSIX:
CC = cc
CFLAGS = -std=c99 -pedantic -Wall -Wextra -O2
CPPFLAGS =
LDFLAGS =
PREFIX = /usr/local
DESTDIR =
BIN = $(DESTDIR)$(PREFIX)/bin
MAN = $(DESTDIR)$(PREFIX)/share/man/man8

# Guards: random addresses, stack protection, checked copies, read-only relocations.
HARDEN_CFLAGS = -fPIE -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
HARDEN_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack

SOURCES = app.c server.c listen.c log.c route.c http.c json.c db.c sha1.c str.c
OBJECTS = app.o server.o listen.o log.o route.o http.o json.o db.o sha1.o str.o
HEADERS = server.h listen.h log.h route.h http.h json.h db.h sha1.h str.h clock.h
TEST = str sha1 json http route db event_loop exhaustive server options smoke
TESTS = $(TEST:%=build/test_%)
UNIT_TESTS = build/test_str build/test_sha1 build/test_json build/test_http build/test_route \
	build/test_db
BUILD = $(CC) $(CPPFLAGS) -I. $(CFLAGS) $(LDFLAGS)

.PHONY: all hardened run test programs install uninstall clean help
all: server
server: $(OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJECTS)

$(OBJECTS): $(HEADERS) build/flags
.c.o:
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# Changes when the compiler or a flag does.
build/flags: FORCE
	@mkdir -p build
	@echo $(BUILD) | cmp -s - $@ || { rm -f server $(OBJECTS); echo $(BUILD) >$@; }
FORCE:

hardened:
	$(BUILD) $(HARDEN_CFLAGS) $(HARDEN_LDFLAGS) -o server $(SOURCES)

run: server
	./server $(ARGS)
test: $(TESTS)
	TIMEOUT=$${TIMEOUT:-100} sh tests/run.sh $(TESTS)
programs: $(TESTS)

# Test programs are always built anew. The server that they start has short seconds, so that its
# timeouts expire soon.
$(UNIT_TESTS): build/flags FORCE
	$(BUILD) -o $@ tests/unit/$(@F).c route.c http.c json.c db.c sha1.c str.c
build/test_server build/test_options: build/server FORCE
	$(BUILD) -o $@ tests/server/$(@F).c
build/server: build/flags FORCE
	$(BUILD) -DSERVER_SECOND=50000000LL -o $@ $(SOURCES)
# It includes server.c, listen.c and log.c.
build/test_event_loop: build/flags FORCE
	$(BUILD) -o $@ tests/fault/event_loop.c route.c http.c json.c db.c sha1.c str.c
build/test_exhaustive: build/flags FORCE
	$(BUILD) -UHTTP_BUFFER_SIZE -DHTTP_BUFFER_SIZE=2048 -o $@ tests/fuzz/exhaustive.c http.c json.c str.c
build/test_smoke: server FORCE
	cp tests/server/smoke.sh $@

# A server that was built is installed as it is, whichever options it was built with. cp -f replaces
# a running server too; the modes do not depend on the umask.
install:
	test -x server || $(MAKE) server
	umask 022 && mkdir -p "$(BIN)" "$(MAN)"
	cp -f server "$(BIN)/server" && chmod 755 "$(BIN)/server"
	cp -f server.8 "$(MAN)/server.8" && chmod 644 "$(MAN)/server.8"
uninstall:
	rm -f "$(BIN)/server" "$(MAN)/server.8"
clean:
	rm -rf server *.o build
help:
	@echo 'make          builds ./server; CC=, CFLAGS= and CPPFLAGS= choose the compiler and its options'
	@echo 'make hardened builds ./server with the guards that compilers offer; CC=gcc or clang'
	@echo "make run      serves the example on port 8080, or as ARGS='-p 8081' says"
	@echo 'make test     builds and runs the tests, or the one that TEST= names: $(TEST)'
	@echo 'make install  installs to PREFIX (/usr/local) below DESTDIR; make uninstall removes it'
	@echo 'make clean    removes everything that was built'
	@sed -n 's/^# \([a-z]*\): \(.*\)/make \1: \2/p' tests/targets.mk
include tests/targets.mk
