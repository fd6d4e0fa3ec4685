#!/bin/sh
# Prints the names of the calls in calls.h.
exec sed -n 's/^CALL([^,]*, \([a-z_]*\),.*/\1/p; s/^OWN(\([a-z_]*\),.*/\1/p' tests/fault/calls.h
