#include "data_free.h"
#include "qtool/support/error.h"
namespace qtool::optimize {
std::unique_ptr<data::SampleSource> synthetic_samples(const ir::Graph&) { throw Error(ErrorCode::kInternal, "todo"); }
Statistics statistics_from_batch_norm(const model::ModelState&) { return {}; }
calib::CalibrationResult ranges_from_statistics(const Candidate&) { return {}; }
}
