// SPDX-License-Identifier: Apache-2.0
/// Failures and the ways out of them.
///
/// - The user's input is wrong (configuration, tensor, trace, option): InputError; `nibble` prints one line and exits
/// with 2.
/// - A guest's bus access is wrong: a TLM response status (transport/); the initiator decides.
/// - The model itself is wrong: std::logic_error from plain C++, SC_REPORT_FATAL from SystemC modules; exit 1.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace nibble {

/// Bad input. what() is the complete message, place first: "FILE:LINE:COL: what is wrong, what was expected" for text,
/// "FILE: what" for binary files. Exit status 2.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A key that nobody knows, or a value of the wrong type or outside of its range: wrong whatever the other keys are.
class ConfigValueError : public InputError {
 public:
  using InputError::InputError;
};

/// A broken invariant of nibble itself. Exit status 1.
class InternalError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// "a, b, c".
std::string join(const std::vector<std::string>& words, const std::string& separator = ", ");

/// The candidate with the smallest edit distance to `word` (the first of several; a swap of neighbours counts 1), or an
/// empty string when none is near (distance above a third of the word's length, at least 2, or nothing in common).
std::string nearest_spelling(const std::string& word, const std::vector<std::string>& candidates);

/// "unknown accelerator 'mnat'; did you mean 'mant'? known: ..." : the tail of every message about a name that is not
/// there.
std::string unknown_name(const std::string& kind, const std::string& name, const std::vector<std::string>& known);

}  // namespace nibble
