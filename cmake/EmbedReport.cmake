# The page that the report renderer fills: data/report and a charting library are compiled in, so that the binary needs
# no files of its own and the page no network. Included by QtoolModule.cmake.
#
# Chart.js comes from the distribution (package libjs-chart.js). A build without it works; pages then say that charts
# are left out and why.
find_file(QTOOL_CHART_JS NAMES chart.min.js chart.umd.min.js chart.umd.js Chart.min.js
  PATHS /usr/share/javascript/chart.js /usr/share/nodejs/chart.js/dist NO_DEFAULT_PATH
  DOC "Chart.js for the HTML report, one script that defines Chart")
if(QTOOL_CHART_JS)
  message(STATUS "HTML report: charts by ${QTOOL_CHART_JS}")
else()
  message(STATUS "HTML report: no charts, because Chart.js was not found (package libjs-chart.js, see tools/install-deps.sh)")
endif()

# Sets out_var to a source file that defines embedded_assets(): path below data/report -> text.
function(qtool_embed_report out_var)
  set(folder ${PROJECT_SOURCE_DIR}/data/report)
  file(GLOB_RECURSE assets CONFIGURE_DEPENDS RELATIVE ${folder} ${folder}/*)
  list(SORT assets)
  set(paths ${assets})
  list(TRANSFORM paths PREPEND ${folder}/)
  if(QTOOL_CHART_JS)
    list(APPEND assets "chart.js")
    list(APPEND paths ${QTOOL_CHART_JS})
  endif()
  set(generated ${PROJECT_BINARY_DIR}/generated/report/embedded_assets.cpp)
  add_custom_command(OUTPUT ${generated}
    COMMAND ${CMAKE_COMMAND} "-DOUT=${generated}" "-DNAMES=${assets}" "-DPATHS=${paths}"
            -P ${PROJECT_SOURCE_DIR}/cmake/EmbedFiles.cmake
    DEPENDS ${paths} ${PROJECT_SOURCE_DIR}/cmake/EmbedFiles.cmake
    COMMENT "Embedding data/report" VERBATIM)
  set(${out_var} ${generated} PARENT_SCOPE)
endfunction()
