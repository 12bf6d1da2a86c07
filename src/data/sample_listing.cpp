// Finding sample files: folders and text lists.
#include <algorithm>
#include <array>
#include <cctype>
#include <sstream>

#include "qtool/data/sample_source.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::data {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kKnownExtensions = ".jpg .jpeg .png .bmp, .npy, .npz, .raw .bin";

struct ExtensionWord {
  std::string_view extension;
  FileKind kind;
};
constexpr std::array<ExtensionWord, 8> kExtensions{{{".jpg", FileKind::kImage},
                                                    {".jpeg", FileKind::kImage},
                                                    {".png", FileKind::kImage},
                                                    {".bmp", FileKind::kImage},
                                                    {".npy", FileKind::kNpy},
                                                    {".npz", FileKind::kNpz},
                                                    {".raw", FileKind::kRaw},
                                                    {".bin", FileKind::kRaw}}};

[[noreturn]] void fail(ErrorCode code, const std::string& message, const fs::path& path) {
  throw Error(code, message).with("file", path.string());
}

// Remembers the first kind and refuses any other.
class KindCheck {
 public:
  void add(FileKind kind, const std::string& name, const fs::path& where) {
    if (!kind_) {
      kind_ = kind;
      first_name_ = name;
    } else if (*kind_ != kind) {
      fail(ErrorCode::kInvalidData,
           format("samples of different kinds: '{}' is {}, '{}' is {}; keep one kind", first_name_,
                  file_kind_name(*kind_), name, file_kind_name(kind)),
           where);
    }
  }
  [[nodiscard]] FileKind kind() const { return *kind_; }

 private:
  std::optional<FileKind> kind_;
  std::string first_name_;
};

std::string key_of(FileKind kind, const std::vector<InputSpec>& inputs, const fs::path& where) {
  if (kind == FileKind::kNpz) return "";
  if (inputs.size() == 1) return inputs[0].name;
  fail(ErrorCode::kInvalidData,
       format("the model has {} inputs, so a file each is not enough; give .npz files with the "
              "inputs' names as keys, or a "
              "list with lines `name:=path name2:=path`",
              inputs.size()),
       where);
}

// Relative paths of the files below `folder`, bytewise sorted.
std::vector<std::string> files_below(const fs::path& folder) {
  std::vector<std::string> names;
  try {
    auto at =
        fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink);
    for (; at != fs::recursive_directory_iterator(); ++at) {
      const bool hidden = at->path().filename().string().starts_with('.');
      if (hidden && at->is_directory()) at.disable_recursion_pending();
      if (!hidden && at->is_regular_file())
        names.push_back(at->path().lexically_relative(folder).generic_string());
    }
  } catch (const fs::filesystem_error& error) {
    fail(ErrorCode::kIo, format("cannot list the folder: {}", error.code().message()), folder);
  }
  std::sort(names.begin(), names.end());
  return names;
}

SampleListing list_folder(const fs::path& folder, const std::vector<InputSpec>& inputs) {
  SampleListing listing;
  KindCheck kinds;
  const std::vector<std::string> names = files_below(folder);
  for (const std::string& name : names) {
    const auto kind = file_kind_of(name);
    if (!kind) continue;
    kinds.add(*kind, name, folder);
    listing.samples.push_back({name, {{key_of(*kind, inputs, folder), folder / name}}});
  }
  if (names.empty()) fail(ErrorCode::kInvalidData, "the folder is empty", folder);
  if (listing.samples.empty()) {
    fail(ErrorCode::kInvalidData,
         format("none of the {} files in the folder is a sample (known: {})", names.size(),
                kKnownExtensions),
         folder);
  }
  listing.kind = kinds.kind();
  return listing;
}

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

class ListReader {
 public:
  ListReader(const fs::path& list, const std::vector<InputSpec>& inputs)
      : list_(list), inputs_(inputs) {}

  SampleListing read() {
    std::istringstream lines(read_text_file(list_));
    for (std::string line; std::getline(lines, line);) {
      ++line_number_;
      const std::string_view text = trimmed(line);
      const bool output_names = line_number_ == 1 && text.starts_with('%');
      if (text.empty() || text.front() == '#' || output_names) continue;
      listing_.samples.push_back(parse_line(std::string(text)));
    }
    if (listing_.samples.empty()) fail(ErrorCode::kInvalidData, "the list names no samples", list_);
    listing_.kind = kinds_.kind();
    return std::move(listing_);
  }

 private:
  static constexpr std::string_view kAssign = ":=";

  [[noreturn]] void fail_line(const std::string& message) const {
    fail(ErrorCode::kInvalidData, format("line {}: {}", line_number_, message), list_);
  }

  SampleFiles parse_line(const std::string& text) {
    const bool named = text.find(kAssign) != std::string::npos;
    SampleFiles files{text, {}};
    if (!named && (inputs_.size() == 1 || file_kind_of(text) == FileKind::kNpz)) {
      const fs::path path = checked(text);  // one path, which may contain spaces
      files.by_input[key_of(kinds_.kind(), inputs_, list_)] = path;
      return files;
    }
    std::vector<std::string> words;
    std::istringstream stream(text);
    for (std::string word; stream >> word;) words.push_back(word);
    if (words.size() != inputs_.size()) {
      fail_line(format("found {} files, the model has {} inputs", words.size(), inputs_.size()));
    }
    for (size_t i = 0; i < words.size(); ++i) add_word(words[i], i, files);
    return files;
  }

  void add_word(const std::string& word, size_t position, SampleFiles& files) {
    const size_t assign = word.find(kAssign);
    const std::string input =
        assign == std::string::npos ? inputs_[position].name : word.substr(0, assign);
    std::vector<std::string> known;
    for (const InputSpec& spec : inputs_) known.push_back(spec.name);
    if (std::find(known.begin(), known.end(), input) == known.end()) {
      fail_line(format("the model has no input '{}'{} (inputs: {})", input,
                       did_you_mean(input, known), join(known, ", ")));
    }
    const fs::path path =
        checked(assign == std::string::npos ? word : word.substr(assign + kAssign.size()));
    if (kinds_.kind() == FileKind::kNpz)
      fail_line("an .npz names its tensors itself; give it alone on the line");
    if (!files.by_input.emplace(input, path).second)
      fail_line(format("input '{}' is given twice", input));
  }

  fs::path checked(const std::string& text) {
    const auto kind = file_kind_of(text);
    if (!kind)
      fail_line(
          format("'{}' is not a sample by its extension (known: {})", text, kKnownExtensions));
    kinds_.add(*kind, text, list_);
    const fs::path path = list_.parent_path() / text;  // an absolute `text` replaces the folder
    std::error_code ec;
    if (!fs::is_regular_file(path, ec)) {
      fail(ErrorCode::kIo,
           format("line {} of {}: no such file; paths in a list are relative to the list",
                  line_number_, list_.string()),
           path);
    }
    return path;
  }

  fs::path list_;
  const std::vector<InputSpec>& inputs_;
  int line_number_ = 0;
  KindCheck kinds_;
  SampleListing listing_;
};

}  // namespace

std::string_view file_kind_name(FileKind kind) {
  switch (kind) {
    case FileKind::kImage:
      return "an image";
    case FileKind::kNpy:
      return "a .npy array";
    case FileKind::kNpz:
      return "an .npz archive";
    case FileKind::kRaw:
      return "a raw float file";
  }
  return "?";
}

std::optional<FileKind> file_kind_of(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const ExtensionWord& word : kExtensions) {
    if (word.extension == extension) return word.kind;
  }
  return std::nullopt;
}

SampleListing list_samples(const fs::path& path, const std::vector<InputSpec>& inputs) {
  if (inputs.empty()) throw Error(ErrorCode::kUnsupported, "the model has no inputs to feed");
  std::error_code ec;
  if (!fs::exists(path, ec)) fail(ErrorCode::kIo, "no such file or folder of samples", path);
  if (fs::is_directory(path, ec)) return list_folder(path, inputs);
  const auto kind = file_kind_of(path);
  if (!kind) return ListReader(path, inputs).read();
  return {*kind, {{path.filename().string(), {{key_of(*kind, inputs, path), path}}}}};
}

}  // namespace qtool::data
