// Folders, pictures and errors for the tests of eval.
#pragma once

#include <gtest/gtest.h>
#include <png.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "qtool/support/error.h"

namespace qtool::eval {

// A folder of its own for each test, removed afterwards.
class FolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(::testing::TempDir()) /
              (std::string("qtool_") + info->test_suite_name() + info->name() +
               std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  // For tests that never decode it.
  std::filesystem::path write_stub_image(const std::string& name) const {
    return write(name, "stub");
  }

  std::filesystem::path folder_;
};

using Rgb = std::array<uint8_t, 3>;

inline void write_png(const std::filesystem::path& path, int width, int height, png_uint_32 format,
                      const void* pixels, const void* palette = nullptr, int palette_size = 0) {
  std::filesystem::create_directories(path.parent_path());
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = format;
  image.colormap_entries = static_cast<png_uint_32>(palette_size);
  ASSERT_TRUE(png_image_write_to_file(&image, path.c_str(), 0, pixels, 0, palette));
}

inline void write_flat_png(const std::filesystem::path& path, int width, int height, Rgb color) {
  std::vector<Rgb> pixels(static_cast<size_t>(width) * static_cast<size_t>(height), color);
  write_png(path, width, height, PNG_FORMAT_RGB, pixels.data());
}

inline void write_grey_png(const std::filesystem::path& path, int width, int height,
                           const std::vector<uint8_t>& pixels) {
  write_png(path, width, height, PNG_FORMAT_GRAY, pixels.data());
}

// The error that `action` throws; fails the test when it throws none.
template <class Action>
Error error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error(ErrorCode::kInternal, "no error was thrown");
}

inline bool mentions(const Error& error, std::string_view text) {
  return std::string_view(error.what()).find(text) != std::string_view::npos;
}

}  // namespace qtool::eval
