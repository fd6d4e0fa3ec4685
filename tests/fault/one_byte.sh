#!/bin/sh
# Runs the tests of the server over its sockets, against a server that moves one byte per call.
ONE_BYTE=1 SERVER=build/fault/server exec build/fault/faults -1 build/fault/test_server
