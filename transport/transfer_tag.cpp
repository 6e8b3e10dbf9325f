// SPDX-License-Identifier: Apache-2.0
#include "transport/transfer_tag.h"

namespace nibble {

const char* to_string(Stream stream) {
  switch (stream) {
    case Stream::command:
      return "command";
    case Stream::weight:
      return "weight";
    case Stream::activation:
      return "activation";
    case Stream::key_value:
      return "kv";
    case Stream::metadata:
      return "metadata";
    case Stream::partial_sum:
      return "partial_sum";
    case Stream::output:
      return "output";
    case Stream::vector:
      return "vector";
    case Stream::host:
      return "host";
  }
  return "invalid";
}

}  // namespace nibble
