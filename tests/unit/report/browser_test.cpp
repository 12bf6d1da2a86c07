// The page in a real browser, where one is installed: renders without errors and does what a reader expects.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "example_document.h"
#include "qtool/report/render_html.h"

namespace qtool::report {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Json = nlohmann::json;

std::string find_browser() {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
      if (access((fs::path(folder) / name).c_str(), X_OK) == 0) return (fs::path(folder) / name).string();
    }
  }
  return "";
}

std::string output_of(const std::string& command) {
  std::string text;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::array<char, 4096> part;
  while (pipe && std::fgets(part.data(), part.size(), pipe.get()) != nullptr) text += part.data();
  return text;
}

std::string read_text(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

std::string unescape(std::string text) {
  for (const auto& [entity, character] : {std::pair{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&amp;", "&"}}) {
    for (size_t at = 0; (at = text.find(entity, at)) != std::string::npos; ++at) text.replace(at, std::string(entity).size(), character);
  }
  return text;
}

class Browser : public ::testing::Test {
 protected:
  void SetUp() override {
    browser_ = find_browser();
    if (browser_.empty()) GTEST_SKIP() << "no browser here (package chromium): the page is not tried";
    folder_ = fs::temp_directory_path() / ("qtool_report_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // What interactions.js saw, in a window of this width.
  Json use(const std::string& page, int width) {
    const std::string watch = "<script>window.problems=[];addEventListener('error',e=>problems.push(String(e.message)));"
                              "console.error=(...a)=>problems.push(a.join(' '));console.warn=console.error;"
                              "addEventListener('securitypolicyviolation',e=>problems.push('blocked '+e.blockedURI));</script>";
    std::string tried = replaced(page, "<style>", watch + "<style>");
    tried = replaced(tried, "</body>", "<script>" + read_text(fs::path(QTOOL_SOURCE_DIR) / "tests/unit/report/interactions.js") + "</script></body>");
    std::ofstream(folder_ / "page.html") << tried;
    const std::string dom = output_of("'" + browser_ + "' --headless --no-sandbox --disable-gpu --user-data-dir='" + folder_.string() + "/profile' --window-size=" +
                                      std::to_string(width) + ",900 --virtual-time-budget=6000 --dump-dom 'file://" + folder_.string() + "/page.html' 2>/dev/null");
    const std::string open = "<pre id=\"outcome\">";
    const size_t first = dom.rfind(open);  // the script itself mentions it earlier
    if (first == std::string::npos) return {{"problems", {"the page did not finish: " + dom.substr(0, 300)}}};
    return Json::parse(unescape(dom.substr(first + open.size(), dom.find("</pre>", first) - first - open.size())));
  }

  std::string browser_;
  fs::path folder_;
};

TEST_F(Browser, ShowsEverySectionSortsSearchesAndChangesTheme) {
  const Json seen = use(render_html(::qtool::testing::example_document()), 1300);
  ASSERT_EQ(seen.at("problems"), Json::array()) << seen.dump(1);
  EXPECT_EQ(seen["title"], ::qtool::testing::kHostileName);
  EXPECT_EQ(seen["sections"], Json({"summary", "compare", "stages", "worst", "sensitivity", "tensors", "equalization", "images", "run"}));
  EXPECT_EQ(seen["links"], 9);
  EXPECT_EQ(seen["scripts_from_names"], 0);
  EXPECT_EQ(seen["unsafe_images"], 0);
  EXPECT_EQ(seen["layers_at_start"], "conv39");
  EXPECT_EQ(seen["layers_by_name"], "conv0");
  EXPECT_EQ(seen["aria_sort"], "ascending");
  EXPECT_EQ(seen["layers_by_name_down"], "conv39");
  EXPECT_EQ(seen["rows_shown"], 20);
  EXPECT_EQ(seen["rows_after_more"], 40);
  EXPECT_EQ(seen["slash_focuses_search"], true);
  EXPECT_EQ(seen["found"], Json({"conv7.out"}));
  EXPECT_THAT(seen["nothing"].get<std::string>(), HasSubstr("Nothing matches"));
  EXPECT_EQ(seen["detail"], "conv2.out");
  EXPECT_EQ(seen["detail_of_worst"], ::qtool::testing::kHostileName);
  EXPECT_EQ(seen["recipes"], Json({"vanilla", "recommended"}));
  EXPECT_EQ(seen["range_of_first"], "-1.5 \u2026 1.8");
  EXPECT_EQ(seen["range_of_second"], "-0.5 \u2026 0.5");
  EXPECT_EQ(seen["tensors_missing"], 1);
  EXPECT_EQ(seen["ranges_side_by_side"], 2);
  EXPECT_EQ(seen["answers_that_differ"], Json({"dog"}));
  EXPECT_EQ(seen["shades"], 1);
  EXPECT_EQ(seen["recipes_to_run"], 1);
  EXPECT_EQ(seen["boxes"], 2);
  EXPECT_EQ(seen["boxes_above"], 1);
  EXPECT_EQ(seen["missing"], 1);
  EXPECT_EQ(seen["theme_changed"], true);
  EXPECT_EQ(seen["theme_on_paper"], "light");
  if (has_charts()) {
    EXPECT_GE(seen["charts_drawn"], 4);
    EXPECT_EQ(seen["charts_blank"], 0);
  } else {
    EXPECT_THAT(seen["notice"].get<std::string>(), HasSubstr("libjs-chart.js"));
  }
}

TEST_F(Browser, ANarrowScreenHasNoSidewaysScrolling) {
  const Json seen = use(render_html(::qtool::testing::example_document()), 500);  // headless windows are no narrower
  ASSERT_EQ(seen.at("problems"), Json::array()) << seen.dump(1);
  EXPECT_LE(seen["overflow"], 0);
}

TEST_F(Browser, WithoutTheLibraryTablesRemainAndThePageSaysWhatIsMissing) {
  std::string page = render_html(::qtool::testing::example_document());
  if (has_charts()) {  // the same page with the library taken out
    const size_t first = page.find("<script>", page.find("id=\"document\"")), last = page.find("</script>", first);
    page.erase(first, last - first + 9);
  }
  const Json seen = use(page, 1300);
  ASSERT_EQ(seen.at("problems"), Json::array()) << seen.dump(1);
  EXPECT_EQ(seen["charts"], false);
  EXPECT_THAT(seen["notice"].get<std::string>(), HasSubstr("libjs-chart.js"));
  EXPECT_EQ(seen["found"], Json({"conv7.out"}));
}

}  // namespace
}  // namespace qtool::report
