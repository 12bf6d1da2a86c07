#include "qtool/data/sample_source.h"

#include <cstring>
#include <utility>

#include "qtool/data/npy.h"
#include "qtool/data/npz.h"
#include "qtool/data/picture_cache.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::data {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorCode::kInvalidData, message);
}

// "batch dimension missing" is the one difference in shape that has only one meaning.
Shape with_batch(const Shape& shape) {
  std::vector<int64_t> dims{1};
  dims.insert(dims.end(), shape.begin(), shape.end());
  return Shape(std::move(dims));
}

Tensor fit_to_input(Tensor tensor, const InputSpec& input) {
  if (tensor.shape() != input.type.shape && with_batch(tensor.shape()) == input.type.shape) {
    tensor = tensor.reshaped(input.type.shape);
  }
  if (tensor.shape() != input.type.shape) {
    fail(format("input '{}' needs shape {}, found {}", input.name, input.type.shape.text(),
                tensor.shape().text()));
  }
  const DType wanted = input.type.dtype;
  if (tensor.dtype() == wanted) return tensor;
  if (is_floating(tensor.dtype()) && is_floating(wanted)) return tensor.cast(wanted);
  fail(format("input '{}' needs {}, found {}", input.name, dtype_name(wanted),
              dtype_name(tensor.dtype())));
}

Tensor read_raw(const fs::path& path, const InputSpec& input) {
  const Bytes bytes = read_file(path);
  Tensor tensor(input.type);
  if (bytes.size() != tensor.size_bytes()) {
    fail(format("found {} bytes, input '{}' of {} {} needs {}", bytes.size(), input.name,
                dtype_name(input.type.dtype), input.type.shape.text(), tensor.size_bytes()));
  }
  if (!bytes.empty()) std::memcpy(tensor.mutable_raw(), bytes.data(), bytes.size());
  return tensor;
}

class FileSource final : public SampleSource {
 public:
  // `pictures` goes with listings of images only.
  FileSource(SampleListing listing, std::vector<InputSpec> inputs, std::shared_ptr<const PictureCache> pictures)
      : listing_(std::move(listing)), inputs_(std::move(inputs)), pictures_(std::move(pictures)) {}

  [[nodiscard]] int64_t size() const override {
    return static_cast<int64_t>(listing_.samples.size());
  }
  [[nodiscard]] std::string name(int64_t index) const override { return at(index).name; }

  [[nodiscard]] Sample load(int64_t index) const override {
    const SampleFiles& files = at(index);
    if (listing_.kind == FileKind::kNpz) return load_npz(files.by_input.at(""));
    Sample sample;
    for (const InputSpec& input : inputs_)
      sample[input.name] = load_input(files.by_input.at(input.name), input);
    return sample;
  }

 private:
  [[nodiscard]] const SampleFiles& at(int64_t index) const {
    QTOOL_CHECK(index >= 0 && index < size());
    return listing_.samples[static_cast<size_t>(index)];
  }

  [[nodiscard]] Tensor load_input(const fs::path& path, const InputSpec& input) const {
    try {
      if (listing_.kind == FileKind::kImage) return pictures_->tensor(*pictures_->fitted(path));
      if (listing_.kind == FileKind::kRaw) return read_raw(path, input);
      return fit_to_input(read_npy(path), input);
    } catch (Error& error) {
      error.with("file", path.string());
      throw;
    }
  }

  [[nodiscard]] Sample load_npz(const fs::path& path) const {
    try {
      NamedTensors tensors = read_npz(path);
      Sample sample;
      for (const InputSpec& input : inputs_)
        sample[input.name] = fit_to_input(take(tensors, input.name), input);
      return sample;
    } catch (Error& error) {
      error.with("file", path.string());
      throw;
    }
  }

  // np.savez(file, array) without a key calls it arr_0; with one input there is no doubt what is
  // meant.
  [[nodiscard]] Tensor take(const NamedTensors& tensors, const std::string& input) const {
    std::vector<std::string> keys;
    for (const auto& [key, tensor] : tensors) {
      if (key == input) return tensor;
      keys.push_back(key);
    }
    if (inputs_.size() == 1 && keys.size() == 1 && keys[0] == "arr_0") return tensors[0].second;
    fail(format("no tensor '{}' in the archive (it holds: {})", input, join(keys, ", ")));
  }

  SampleListing listing_;
  std::vector<InputSpec> inputs_;
  std::shared_ptr<const PictureCache> pictures_;
};

}  // namespace

namespace {

void check_picture_input(const std::vector<InputSpec>& inputs, const Preprocessing& preprocessing) {
  if (inputs.size() != 1) {
    throw Error(ErrorCode::kUnsupported,
                format("images can feed a model with one input, this one has {}; give .npz files "
                       "or a list of .raw or "
                       ".npy files",
                       inputs.size()));
  }
  if (inputs[0].type.dtype != DType::kFloat32) {
    throw Error(ErrorCode::kUnsupported,
                format("images can feed float32 inputs only, '{}' is {}", inputs[0].name,
                       dtype_name(inputs[0].type.dtype)));
  }
  (void)input_geometry(inputs[0].type.shape, preprocessing.layout);
}

}  // namespace

std::unique_ptr<SampleSource> make_sample_source(SampleListing listing,
                                                 std::vector<InputSpec> inputs,
                                                 const SampleOptions& options,
                                                 size_t picture_budget) {
  if (listing.kind == FileKind::kImage) check_picture_input(inputs, options.preprocessing);
  if (options.limit < 0)
    throw Error(ErrorCode::kUsage,
                format("a limit of {} samples; expected 0 (all) or more", options.limit));
  const auto limit = static_cast<size_t>(options.limit);
  if (limit > 0 && listing.samples.size() > limit) listing.samples.resize(limit);
  std::shared_ptr<const PictureCache> pictures;
  if (listing.kind == FileKind::kImage) {
    pictures = std::make_shared<PictureCache>(options.preprocessing, inputs[0].type.shape, picture_budget);
  }
  return std::make_unique<FileSource>(std::move(listing), std::move(inputs), std::move(pictures));
}

std::unique_ptr<SampleSource> make_sample_source(SampleListing listing,
                                                 std::vector<InputSpec> inputs,
                                                 const SampleOptions& options) {
  return make_sample_source(std::move(listing), std::move(inputs), options, 0);
}

std::unique_ptr<SampleSource> open_sample_source(const fs::path& path,
                                                 std::vector<InputSpec> inputs,
                                                 const SampleOptions& options) {
  SampleListing listing = list_samples(path, inputs);
  try {
    return make_sample_source(std::move(listing), std::move(inputs), options);
  } catch (Error& error) {
    error.with("file", path.string());
    throw;
  }
}

}  // namespace qtool::data
