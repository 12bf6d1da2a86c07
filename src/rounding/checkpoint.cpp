#include "checkpoint.h"

#include <cstring>
#include <system_error>

#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "qtool/support/interrupt.h"

namespace qtool::rounding {

namespace {

constexpr uint64_t kMagic = 0x3252414C4C545151;  // first bytes of a file; changes with the layout
constexpr const char* kKeyFile = "run.txt";

class Writer {
 public:
  template <class T>
  void value(const T& v) {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto* raw = reinterpret_cast<const std::byte*>(&v);
    bytes.insert(bytes.end(), raw, raw + sizeof v);
  }
  template <class Range>
  void list(const Range& values) {
    value(static_cast<uint64_t>(values.size()));
    for (const auto& v : values) value(v);
  }
  Bytes bytes;
};

class Reader {
 public:
  Reader(const Bytes& bytes, const std::filesystem::path& path) : bytes_(bytes), path_(path) {}
  template <class T>
  T value() {
    T v{};
    if (bytes_.size() - at_ < sizeof v) damaged();
    std::memcpy(&v, bytes_.data() + at_, sizeof v);
    at_ += sizeof v;
    return v;
  }
  template <class Range>
  Range list() {
    using T = typename Range::value_type;
    const auto count = value<uint64_t>();
    if (count > (bytes_.size() - at_) / sizeof(T)) damaged();
    Range values;
    values.reserve(count);
    for (uint64_t i = 0; i < count; ++i) values.push_back(value<T>());
    return values;
  }
  void end() const {
    if (at_ != bytes_.size()) damaged();
  }
  [[noreturn]] void damaged() const {
    throw Error(ErrorCode::kInvalidData, "a checkpoint file of an earlier run is damaged; run again without --resume").with("file", path_.string());
  }

 private:
  const Bytes& bytes_;
  const std::filesystem::path& path_;
  size_t at_ = 0;
};

}  // namespace

Checkpoint::Checkpoint(std::filesystem::path folder, const std::string& key, bool resume) : folder_(std::move(folder)) {
  if (folder_.empty()) return;
  const std::filesystem::path key_file = folder_ / kKeyFile;
  if (resume && std::filesystem::exists(key_file)) {
    if (read_text_file(key_file) == key) return;
    throw Error(ErrorCode::kInvalidData,
                "--resume: the interrupted run in this folder had another model, other data, other options or another version of "
                "the tool; repeat its command, or run without --resume to start anew").with("file", key_file.string());
  }
  remove_checkpoint(folder_);
  write_file_atomically(key_file, std::as_bytes(std::span(key)));
}

std::filesystem::path Checkpoint::file(size_t index) const { return folder_ / format("layer_{:05}.bin", index); }

std::optional<FinishedLayer> Checkpoint::load(size_t index) const {
  if (folder_.empty()) return std::nullopt;
  const std::filesystem::path path = file(index);
  if (!std::filesystem::exists(path)) return std::nullopt;
  const Bytes bytes = read_file(path);
  Reader in(bytes, path);
  if (in.value<uint64_t>() != kMagic) in.damaged();
  FinishedLayer layer;
  layer.report.node = in.list<std::string>();
  layer.report.method = layer.solution.method = in.list<std::string>();
  layer.report.rows = in.value<int64_t>();
  layer.report.error_nearest = in.value<double>();
  layer.report.error = layer.solution.error = in.value<double>();
  layer.report.error_wide = in.value<double>();
  quant::Encoding& encoding = layer.solution.encoding;
  layer.report.bits = encoding.bits = in.value<int32_t>();
  encoding.is_symmetric = in.value<uint8_t>() != 0;
  encoding.is_strict = in.value<uint8_t>() != 0;
  encoding.channel_axis = in.value<int32_t>();
  encoding.grids = in.list<std::vector<quant::Grid>>();
  encoding.block_axis = in.value<int32_t>();
  encoding.block_size = in.value<int64_t>();
  if (in.value<uint8_t>() != 0) {
    quant::LowPowerScales& scales = encoding.low_power.emplace();
    scales.decompressed_bits = in.value<int32_t>();
    scales.channel_scale = in.list<std::vector<double>>();
    scales.block_scale = in.list<std::vector<int64_t>>();
  }
  layer.solution.weights = in.list<std::vector<float>>();
  layer.solution.bias = in.list<std::vector<float>>();
  in.end();
  return layer;
}

void Checkpoint::save(size_t index, const FinishedLayer& layer) const {
  if (folder_.empty()) return;
  const quant::Encoding& encoding = layer.solution.encoding;
  Writer out;
  out.value(kMagic);
  out.list(layer.report.node);
  out.list(layer.report.method);
  out.value(layer.report.rows);
  out.value(layer.report.error_nearest);
  out.value(layer.report.error);
  out.value(layer.report.error_wide);
  out.value(static_cast<int32_t>(encoding.bits));
  out.value(static_cast<uint8_t>(encoding.is_symmetric));
  out.value(static_cast<uint8_t>(encoding.is_strict));
  out.value(static_cast<int32_t>(encoding.channel_axis));
  out.list(encoding.grids);
  out.value(static_cast<int32_t>(encoding.block_axis));
  out.value(encoding.block_size);
  out.value(static_cast<uint8_t>(encoding.low_power.has_value()));
  if (encoding.low_power) {
    out.value(static_cast<int32_t>(encoding.low_power->decompressed_bits));
    out.list(encoding.low_power->channel_scale);
    out.list(encoding.low_power->block_scale);
  }
  out.list(layer.solution.weights);
  out.list(layer.solution.bias);
  write_file_atomically(file(index), out.bytes);
}

void stop_if_interrupted(const std::filesystem::path& folder, size_t done, size_t total) {
  if (!InterruptScope::requested()) return;
  throw Interrupted(folder.empty() ? format("interrupted after {} of {} layers", done, total)
                                   : format("interrupted after {} of {} layers, which are kept in {}; the same command with --resume goes on from there",
                                            done, total, folder.string()));
}

void remove_checkpoint(const std::filesystem::path& folder) {
  if (folder.empty()) return;
  std::error_code ignored;  // what cannot be removed is overwritten by the next run
  std::filesystem::remove_all(folder, ignored);
}

}  // namespace qtool::rounding
