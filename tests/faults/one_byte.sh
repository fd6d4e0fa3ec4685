#!/bin/sh
# Runs the tests of the server over its sockets, against a server that moves one byte a call.
SERVER=build/faults/server_for_the_suite exec build/faults/faults -1 build/test_server
