# What `cmake --install` puts where. Users find it by pkg-config (dueq) or find_package (dueq).

include(CMakePackageConfigHelpers)

install(TARGETS dueq_shared EXPORT dueq
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES "${PROJECT_BINARY_DIR}/libdueq.a" DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES "${PROJECT_SOURCE_DIR}/include/dueq.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
if(TARGET dueq)
    install(TARGETS dueq RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()

# ---- pkg-config and CMake packages

# What a static link needs besides libdueq.a; libvalkey only where it is not in there. libcurl and
# jansson are in dueq.pc as libraries, not as packages: shared ones, whose own needs are not ours.
set(DUEQ_PC_REQUIRES_PRIVATE "libssl libcrypto")
set(DUEQ_HOLDS_VALKEY TRUE)
if(NOT DUEQ_VALKEY_ARCHIVES)
    set(DUEQ_HOLDS_VALKEY FALSE)
    string(PREPEND DUEQ_PC_REQUIRES_PRIVATE "valkey valkey_tls ")
endif()
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/dueq")

# Found from where dueq.pc lies, so that an installed tree can be moved.
file(RELATIVE_PATH DUEQ_PC_PREFIX
    "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" DUEQ_PC_PREFIX "\${pcfiledir}/${DUEQ_PC_PREFIX}")
configure_file("${PROJECT_SOURCE_DIR}/packaging/dueq.pc.in" "${PROJECT_BINARY_DIR}/dueq.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/dueq.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

install(EXPORT dueq NAMESPACE dueq:: FILE dueqTargets.cmake DESTINATION "${package_dir}")
configure_package_config_file("${PROJECT_SOURCE_DIR}/packaging/dueqConfig.cmake.in"
    "${PROJECT_BINARY_DIR}/dueqConfig.cmake"
    INSTALL_DESTINATION "${package_dir}"
    PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/dueqConfigVersion.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES
    "${PROJECT_BINARY_DIR}/dueqConfig.cmake" "${PROJECT_BINARY_DIR}/dueqConfigVersion.cmake"
    DESTINATION "${package_dir}")

# ---- manual pages, completions, documents

file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/man/*.[1-8]")
foreach(page IN LISTS pages)
    string(REGEX REPLACE ".*\\." "" section "${page}")
    install(FILES "${page}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
endforeach()

set(completions "${PROJECT_SOURCE_DIR}/completions")
install(FILES "${completions}/dueq.bash" RENAME dueq
    DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
install(FILES "${completions}/_dueq" DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/site-functions")
install(FILES "${completions}/dueq.fish"
    DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")

# ---- systemd: not in CMAKE_INSTALL_LIBDIR, which is the libraries' of one machine

set(unit "dueq-worker@.service")
configure_file("${PROJECT_SOURCE_DIR}/packaging/systemd/${unit}.in" "${PROJECT_BINARY_DIR}/${unit}" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/${unit}" DESTINATION lib/systemd/system)

file(GLOB documents CONFIGURE_DEPENDS
    "${PROJECT_SOURCE_DIR}/README.md" "${PROJECT_SOURCE_DIR}/CHANGELOG.md"
    "${PROJECT_SOURCE_DIR}/LICENSE" "${PROJECT_SOURCE_DIR}/doc/*.md")
install(FILES ${documents} DESTINATION "${CMAKE_INSTALL_DOCDIR}")
file(GLOB examples CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*.c")
install(FILES ${examples} DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/examples/http" "${PROJECT_SOURCE_DIR}/examples/stdio"
    DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples"
    USE_SOURCE_PERMISSIONS)
if(DUEQ_VALKEY_ARCHIVES)
    install(FILES "${DUEQ_DEPS_DIR}/libvalkey/COPYING" RENAME COPYING.libvalkey
        DESTINATION "${CMAKE_INSTALL_DOCDIR}")
endif()
