// Where calibration and evaluation samples come from: pictures, .npy, .npz or raw float32 files, in
// a folder or listed in a text file. A sample is one tensor for each model input.
//
// Sources read a file when its sample is asked for and keep no state, so load() may be called from
// several threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qtool/data/preprocess.h"
#include "qtool/tensor/tensor.h"

namespace qtool::data {

using Sample = std::map<std::string, Tensor>;  // by input name

class SampleSource {
 public:
  virtual ~SampleSource() = default;
  [[nodiscard]] virtual int64_t size() const = 0;
  // 0 <= index < size(). Throws Error(kIo / kInvalidData) naming the file.
  [[nodiscard]] virtual Sample load(int64_t index) const = 0;
  // The path below the folder or as listed; for logs and reports.
  [[nodiscard]] virtual std::string name(int64_t index) const = 0;
};

// What the model wants.
struct InputSpec {
  std::string name;
  TensorType type;
};

struct SampleOptions {
  Preprocessing preprocessing;  // of pictures; other files are taken as they are
  int64_t limit = 0;            // first N samples; 0: all
};

enum class FileKind { kImage, kNpy, kNpz, kRaw };
[[nodiscard]] std::string_view file_kind_name(FileKind kind);

// By extension, upper or lower case: jpg jpeg png bmp; npy; npz; raw bin. nullopt for everything
// else.
[[nodiscard]] std::optional<FileKind> file_kind_of(const std::filesystem::path& path);

// Files of one sample: several when a list gives each input its own.
struct SampleFiles {
  std::string name;
  std::map<std::string, std::filesystem::path>
      by_input;  // an .npz, which names its tensors itself, has the key ""
};
struct SampleListing {
  FileKind kind = FileKind::kImage;
  std::vector<SampleFiles> samples;
};

// A folder (recursive; sorted by relative path, bytewise; names that begin with '.' and unknown
// extensions are passed over), a text list, or one data file. Lists: one sample a line, paths
// relative to the list file; empty lines, lines that begin with '#' and a first line that begins
// with '%' (output names) are ignored. A line is a path, or for models with several inputs
// `name:=path name2:=path` or the paths in input order. Throws Error(kIo) for a missing path,
// Error(kInvalidData) when nothing usable is there or kinds are mixed.
[[nodiscard]] SampleListing list_samples(const std::filesystem::path& path,
                                         const std::vector<InputSpec>& inputs);

// Pictures feed models with one input only. Raw files must have exactly the input's size; .npy and
// .npz tensors its shape (a missing batch dimension is added) and element type (floating point is
// converted).
[[nodiscard]] std::unique_ptr<SampleSource> make_sample_source(SampleListing listing,
                                                               std::vector<InputSpec> inputs,
                                                               const SampleOptions& options);

// list_samples and make_sample_source.
[[nodiscard]] std::unique_ptr<SampleSource> open_sample_source(const std::filesystem::path& path,
                                                               std::vector<InputSpec> inputs,
                                                               const SampleOptions& options);

struct SkippedSample {
  std::string name;
  std::string reason;
};
struct ScreenedSource {
  std::unique_ptr<SampleSource> source;
  std::vector<SkippedSample> skipped;
};

// Loads every sample once, on `threads` threads, and leaves out those that throw kInvalidData or
// kIo, so that what is skipped does not depend on timing. With a limit, the first `limit` good ones
// are kept (open the source without one) and `skipped` counts only those before the last kept one.
// Throws Error(kInvalidData) when nothing is left.
[[nodiscard]] ScreenedSource skip_bad_samples(std::unique_ptr<SampleSource> source, int64_t limit,
                                              int threads);

}  // namespace qtool::data
