// SPDX-License-Identifier: Apache-2.0
/// The `nibble` program as a function, for programs that add something to it: docs/tutorials/my-own-pe.md.
#pragma once

namespace nibble {

/// Parses the command line, runs one subcommand, maps failures to exit statuses. What main() returns; call it once. It
/// brings an sc_main of its own: a program that uses it has none.
int run_program(int argc, char** argv);

}  // namespace nibble
