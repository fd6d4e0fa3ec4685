#!/bin/sh
# Runs the tests of the server over its sockets, against a server that moves one byte per call.
ONE_BYTE=1 SERVER=build/faults/server exec build/faults/faults -1 build/faults/test_server
