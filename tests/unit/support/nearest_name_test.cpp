#include "qtool/support/nearest_name.h"

#include <gtest/gtest.h>

#include <vector>

namespace qtool {
namespace {

const std::vector<std::string> kKnown = {"--bias_bitwidth", "--act_bitwidth", "--calib"};

TEST(NearestName, FindsATypo) { EXPECT_EQ(nearest_name("--bias_bitwith", kKnown), "--bias_bitwidth"); }
TEST(NearestName, SaysNothingAboutAStranger) { EXPECT_EQ(nearest_name("--zzzzzz", kKnown), ""); }

}  // namespace
}  // namespace qtool
