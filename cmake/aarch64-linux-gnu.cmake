# Cross build for aarch64 on another Debian machine: compiler g++-aarch64-linux-gnu, libraries from a folder of unpacked arm64
# packages, programs of the target under qemu-user. tools/build-aarch64.sh makes the folder and uses this file.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(CMAKE_CXX_FLAGS_INIT -Wno-psabi)  # notes on an old change of the calling convention

get_filename_component(QTOOL_SYSROOT "${CMAKE_CURRENT_LIST_DIR}/../build/aarch64-sysroot" ABSOLUTE CACHE)
set(CMAKE_SYSROOT ${QTOOL_SYSROOT})
set(CMAKE_FIND_ROOT_PATH ${QTOOL_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${QTOOL_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${QTOOL_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${QTOOL_SYSROOT}/usr/share/pkgconfig)

set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L ${QTOOL_SYSROOT})
