// Relative rates of the cost model: what a precision costs on one family of hardware (docs/profiles.md, "Cost model").
#pragma once

namespace qtool::model {

// All in multiplications of 8 x 8 bits. Assumptions, not measurements: only ratios of costs made of them are reported.
struct CostRates {
  double mac_8x8 = 1.0;       // one multiplication, activation x weight bits
  double mac_16x8 = 2.0;
  double mac_16x16 = 4.0;
  double mac_8x4 = 1.0;       // 4-bit weights are unpacked to 8
  double mac_float = 4.0;     // also of operators that fall back to float
  double byte = 2.0;          // moving one byte of an activation in on-chip memory
  double convert_byte = 2.0;  // one byte read or written by a conversion between widths
  double weight_byte = 8.0;   // fetching one byte of a weight from outer memory
};

}  // namespace qtool::model
