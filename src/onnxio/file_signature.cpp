#include "file_signature.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace qtool::onnxio {

namespace {

using namespace std::string_view_literals;

struct Signature {
  size_t offset;
  std::string_view magic;
  std::string_view what;
};

constexpr std::array kSignatures{
    Signature{4, "TFL3"sv, "a TFLite model"},
    Signature{4, "ORTM"sv, "an ONNX Runtime .ort model"},
    Signature{0, "\x89HDF"sv, "an HDF5 (Keras) file"},
    Signature{0, "GGUF"sv, "a GGUF file"},
    Signature{0, "\x1f\x8b"sv, "a gzip archive"},
    Signature{0, "7z\xBC\xAF"sv, "a 7z archive"},
    Signature{0, "\x28\xB5\x2F\xFD"sv, "a zstd archive"},
    Signature{0, "\x80\x02"sv, "a Python pickle (old PyTorch checkpoint)"},
    Signature{0, "\x80\x04"sv, "a Python pickle"},
    Signature{0, "\x7F"
                 "ELF"sv,
              "a program or shared library"},
    Signature{0, "\x93NUMPY"sv, "a NumPy array"},
    Signature{0, "\xFF\xD8\xFF"sv, "a JPEG image"},
    Signature{0, "\x89PNG"sv, "a PNG image"},
    Signature{0, "7767517"sv, "an ncnn model"},
    Signature{0, "version https://git-lfs"sv, "a git-lfs pointer; fetch the real file with 'git lfs pull'"},
    Signature{0, "<!DOCTYPE html"sv, "a web page; the download failed"},
    Signature{0, "<html"sv, "a web page; the download failed"},
    Signature{0, "<?xml"sv, "an XML file (OpenVINO IR?)"},
};

std::string_view describe_zip(std::string_view text) {
  // Member names stand in clear text in local headers and in the directory at the end.
  const std::string_view head = text.substr(0, 1 << 16);
  const std::string_view tail = text.substr(text.size() - std::min<size_t>(text.size(), 1 << 16));
  const auto holds = [&](std::string_view name) {
    return head.find(name) != std::string_view::npos || tail.find(name) != std::string_view::npos;
  };
  if (holds("dlc.metadata") || holds("model.params")) return "a DLC file";
  if (holds("/data.pkl")) return "a PyTorch archive; export it with torch.onnx.export first";
  if (holds("model.weights.h5")) return "a Keras archive";
  if (holds(".npy")) return "a NumPy .npz archive";
  return "a zip archive";
}

bool is_text(std::string_view sample) {
  return std::all_of(sample.begin(), sample.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 ? byte != 0x7F : c == '\n' || c == '\r' || c == '\t' || c == '\f';
  });
}

}  // namespace

std::string describe_file(std::span<const std::byte> content) {
  const std::string_view text(reinterpret_cast<const char*>(content.data()), content.size());
  if (text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06")) return std::string(describe_zip(text));
  for (const Signature& signature : kSignatures) {
    if (text.size() >= signature.offset && text.substr(signature.offset).starts_with(signature.magic)) {
      return std::string(signature.what);
    }
  }
  const std::string_view sample = text.substr(0, 512);
  if (std::all_of(sample.begin(), sample.end(), [](char c) { return c == '\0'; })) return "a block of zero bytes";
  if (is_text(sample)) return "text";
  return "";
}

}  // namespace qtool::onnxio
