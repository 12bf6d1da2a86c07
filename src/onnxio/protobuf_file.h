// Reads one protobuf message from a file; says what a file is that holds something else.
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/stubs/logging.h>

#include <filesystem>
#include <limits>
#include <new>
#include <span>
#include <string_view>

#include "file_signature.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::onnxio {

// Adds the file to errors and turns every other exception (of the standard library or protobuf) into one.
template <class Fn>
auto with_file_context(const std::filesystem::path& path, Fn&& fn) {
  try {
    return fn();
  } catch (Error& error) {
    error.with("file", path.string());
    throw;
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::kUnsupported, "not enough memory for this file").with("file", path.string());
  } catch (const std::exception& other) {
    throw Error(ErrorCode::kInvalidModel, format("the file cannot be read: {}", other.what())).with("file", path.string());
  }
}

// The whole file; refuses what protobuf could not hold before reading it.
inline Bytes read_protobuf_file(const std::filesystem::path& path, std::string_view expected) {
  std::error_code ec;
  const auto size_bytes = std::filesystem::file_size(path, ec);
  if (!ec && size_bytes > static_cast<uintmax_t>(std::numeric_limits<int>::max())) {
    throw Error(ErrorCode::kUnsupported,
                format("the file has {} bytes; {} ends at 2 GiB and keeps larger weights as external data", size_bytes, expected));
  }
  return read_file(path);
}

template <class Message, class Plausible>
void parse_message(std::span<const std::byte> content, std::string_view expected, Message& message, Plausible&& plausible) {
  if (content.empty()) throw Error(ErrorCode::kInvalidModel, format("the file is empty; expected {}", expected));
  // Damaged files are our error to report; protobuf would write to stderr.
  const google::protobuf::LogSilencer silence;
  const bool parsed = content.size() <= static_cast<size_t>(std::numeric_limits<int>::max()) &&
                      message.ParsePartialFromArray(content.data(), static_cast<int>(content.size()));
  if (parsed && plausible(message)) return;
  const std::string looks_like = describe_file(content);
  if (!looks_like.empty()) {
    throw Error(ErrorCode::kInvalidModel, format("expected {}, but this looks like {}", expected, looks_like));
  }
  if (parsed) throw Error(ErrorCode::kInvalidModel, format("the file is protobuf but not {}", expected));
  throw Error(ErrorCode::kInvalidModel,
              format("expected {}: the file ({} bytes) is damaged, cut off, or of another kind", expected, content.size()));
}

}  // namespace qtool::onnxio
