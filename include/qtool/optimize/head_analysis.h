// What becomes of a detector's decoding tail on 8-bit grids, told from structure and ranges alone.
//
// Between the last learned layers and the outputs boxes (0..640) and scores (0..1) meet in one Concat, and box arithmetic
// has steps of several pixels. No node names are used, so another exporter's names and order give the same decision.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "qtool/ir/graph.h"
#include "qtool/quant/encoding.h"

namespace qtool::optimize {

struct HeadOptions {
  int bits = 8;              // of ordinary activations
  double fewest_levels = 32;  // a Concat input with fewer levels of the joint grid is dead or nearly so
};

// One input of a Concat in the tail.
struct ConcatPart {
  std::string name;
  quant::Range range;        // float values
  double levels = 0.0;       // of the joint grid that it can reach
};

enum class HeadCause : uint8_t {
  kRangeClash,   // a Concat whose inputs cannot share the grid
  kBehindClash,  // reads such a Concat: a coarser grid would undo the remedy
  kArithmetic,   // computes boxes: an 8-bit step is pixels
  kDecoded,      // a Sigmoid or Softmax whose result enters such arithmetic
};

struct HeadFinding {
  ir::ValueId value = ir::kNoValue;  // needs a wider grid, or float
  HeadCause cause = HeadCause::kArithmetic;
  std::vector<ConcatPart> parts;     // kRangeClash
  std::string text;                  // one sentence with figures
};

struct HeadAnalysis {
  std::set<ir::NodeId> tail;          // behind the last learned layers
  std::set<ir::ValueId> last_layers;  // their outputs; a percentile must never cut these
  std::vector<HeadFinding> findings;  // in topological order, one a value
};

// `range` gives the float range of a value, or nullopt when nothing is known of it (its producers are asked then).
// SOURCE Own experiments on five detectors: 16 bits for these values equal float to 0.1 mAP.
[[nodiscard]] HeadAnalysis analyze_head(const ir::Graph& graph, const std::function<std::optional<quant::Range>(ir::ValueId)>& range,
                                        const HeadOptions& options = {});

// "boxes and scores share one scale" in words, for a terminal: the clashes and how many values need more bits. Empty when
// nothing was found.
[[nodiscard]] std::vector<std::string> head_summary(const ir::Graph& graph, const HeadAnalysis& analysis);

}  // namespace qtool::optimize
