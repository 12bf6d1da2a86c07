// Folders of class-index masks.
#include <algorithm>

#include "label_matching.h"
#include "label_readers.h"
#include "qtool/data/sample_source.h"

namespace qtool::eval {

namespace fs = std::filesystem;

SegmentationLabels read_mask_folder(const ImageFolder& folder, const LabelOptions& options,
                                    Reporter& reporter) {
  const ImageFolder masks(options.path);
  SegmentationLabels labels;
  LabelMatching matching(folder, options.path);
  for (const ImageFile& mask : masks.images()) {
    const ImageFile* image = matching.note(mask.name, folder.find_without_extension(mask.name));
    if (image) labels.images.push_back({*image, mask.path});
  }
  matching.finish(options, reporter);
  return labels;
}

}  // namespace qtool::eval
