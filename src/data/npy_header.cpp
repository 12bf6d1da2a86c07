#include "npy_header.h"

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::data {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMostDimensions = 32;  // numpy's own limit for long

struct DescrWord {
  std::string_view kind;  // without byte order
  DType dtype;
};
constexpr std::array<DescrWord, 12> kDescrWords{{{"f4", DType::kFloat32},
                                                 {"f8", DType::kFloat64},
                                                 {"f2", DType::kFloat16},
                                                 {"i1", DType::kInt8},
                                                 {"i2", DType::kInt16},
                                                 {"i4", DType::kInt32},
                                                 {"i8", DType::kInt64},
                                                 {"u1", DType::kUInt8},
                                                 {"u2", DType::kUInt16},
                                                 {"u4", DType::kUInt32},
                                                 {"u8", DType::kUInt64},
                                                 {"b1", DType::kBool}}};

[[noreturn]] void damaged(const std::string& what) {
  throw Error(ErrorCode::kInvalidData, format("damaged .npy: {}", what));
}

// Walks over the Python dict of the header: {'descr': '<f4', 'fortran_order': False, 'shape': (3,
// 4), }
class DictParser {
 public:
  explicit DictParser(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool accept(char wanted) {
    skip_spaces();
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted))
      damaged(format("the header has no '{}' before \"{}\"", wanted, rest_.substr(0, 20)));
  }
  std::string_view quoted() {
    skip_spaces();
    if (rest_.empty() || (rest_.front() != '\'' && rest_.front() != '"')) {
      damaged(format("the header has no text at \"{}\"", rest_.substr(0, 20)));
    }
    const size_t end = rest_.find(rest_.front(), 1);
    if (end == std::string_view::npos) damaged("a text in the header has no end");
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }
  bool boolean() {
    skip_spaces();
    for (const auto& [word, value] :
         {std::pair{std::string_view("True"), true}, {std::string_view("False"), false}}) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return value;
    }
    damaged(format("the header has no True or False at \"{}\"", rest_.substr(0, 20)));
  }
  int64_t dimension() {
    skip_spaces();
    int64_t value = 0;
    const auto [end, status] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (status != std::errc{} || value < 0)
      damaged(format("the header has no dimension at \"{}\"", rest_.substr(0, 20)));
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return value;
  }
  Shape shape() {
    std::vector<int64_t> dims;
    expect('(');
    while (!accept(')')) {
      if (dims.size() == kMostDimensions) damaged("the header has too many dimensions");
      dims.push_back(dimension());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return Shape(std::move(dims));
  }
  [[nodiscard]] bool at_end() {
    skip_spaces();
    return rest_.empty();
  }

 private:
  void skip_spaces() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n'))
      rest_.remove_prefix(1);
  }
  std::string_view rest_;
};

DType dtype_of_descr(std::string_view descr) {
  if (!descr.empty()) {
    const std::string_view kind = descr.substr(1);
    for (const DescrWord& word : kDescrWords) {
      if (word.kind != kind) continue;
      if (descr[0] == '<' || descr[0] == '|' || descr[0] == '=') return word.dtype;
      throw Error(ErrorCode::kUnsupported,
                  format("big-endian .npy ('{}'); save it with dtype '<{}'", descr, kind));
    }
  }
  throw Error(
      ErrorCode::kUnsupported,
      format(".npy element type '{}'; supported are bool, (u)int8 to 64, float16, float32, float64",
             descr));
}

// A zero dimension makes the product 0 whatever the others are; those must still not overflow index
// arithmetic.
void check_dimensions(const Shape& shape, DType dtype) {
  auto count = static_cast<int64_t>(dtype_size_bytes(dtype));
  for (const int64_t dim : shape) {
    if (dim != 0 && __builtin_mul_overflow(count, dim, &count)) {
      damaged(format("shape {} has no valid element count", shape.text()));
    }
  }
}

NpyHeader parse_dict(std::string_view text) {
  NpyHeader header;
  bool has_descr = false, has_order = false, has_shape = false;
  DictParser in(text);
  in.expect('{');
  while (!in.accept('}')) {
    const std::string_view key = in.quoted();
    in.expect(':');
    if (key == "descr") {
      header.type.dtype = dtype_of_descr(in.quoted());
      has_descr = true;
    } else if (key == "fortran_order") {
      header.fortran_order = in.boolean();
      has_order = true;
    } else if (key == "shape") {
      header.type.shape = in.shape();
      has_shape = true;
    } else {
      damaged(format("the header has an unknown key '{}'", key));
    }
    if (!in.accept(',')) {
      in.expect('}');
      break;
    }
  }
  if (!in.at_end()) damaged("text after the header's dict");
  if (!has_descr || !has_order || !has_shape)
    damaged("the header lacks descr, fortran_order or shape");
  check_dimensions(header.type.shape, header.type.dtype);
  return header;
}

}  // namespace

NpyHeader parse_npy_header(std::span<const std::byte> bytes) {
  if (bytes.size() < 10 || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    damaged("it does not begin with the NumPy magic");
  }
  const auto byte_at = [&](size_t i) { return static_cast<size_t>(bytes[i]); };
  const size_t version = byte_at(6);
  if (version < 1 || version > 3) damaged(format("version {} is unknown", version));
  const size_t text_at = version == 1 ? 10 : 12;
  if (bytes.size() < text_at) damaged("the file ends inside its header");
  size_t length = byte_at(8) | byte_at(9) << 8;
  if (version > 1) length |= byte_at(10) << 16 | byte_at(11) << 24;
  if (bytes.size() - text_at < length) {
    damaged(format("the header says {} bytes, only {} follow", length, bytes.size() - text_at));
  }
  NpyHeader header = parse_dict({reinterpret_cast<const char*>(bytes.data()) + text_at, length});
  header.size_bytes = text_at + length;
  return header;
}

std::string npy_header_text(DType dtype, const Shape& shape) {
  std::string_view kind;
  for (const DescrWord& word : kDescrWords) {
    if (word.dtype == dtype) kind = word.kind;
  }
  if (kind.empty())
    throw Error(ErrorCode::kUnsupported,
                format("numpy has no element type for {}", dtype_name(dtype)));
  std::string dims;
  for (const int64_t dim : shape) dims += format("{},", dim);
  if (shape.rank() > 1) dims.pop_back();  // (3,) keeps its comma
  const std::string dict = format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}), }}",
                                  dtype_size_bytes(dtype) == 1 ? '|' : '<', kind, dims);
  constexpr size_t kPrefixBytes = 10, kAlignment = 64;
  const size_t length =
      (kPrefixBytes + dict.size() + 1 + kAlignment - 1) / kAlignment * kAlignment - kPrefixBytes;
  std::string text(kMagic);
  text += {'\x01', '\x00', static_cast<char>(length & 0xFF), static_cast<char>(length >> 8)};
  text += dict;
  text.append(length - dict.size() - 1, ' ');
  return text + '\n';
}

}  // namespace qtool::data
