# Finds libvalkey and makes the target dueq_valkey: its code, its headers and what it stands on.
#
# The system's own package comes first and is linked as any shared library. Else the copy that
# scripts/setup has built into .deps/ is linked statically: DUEQ_VALKEY_ARCHIVES then names what
# must go into libdueq.a too, so that an installed dueq stands alone.

set(DUEQ_VALKEY_ARCHIVES "")
add_library(dueq_valkey INTERFACE)

find_package(Threads REQUIRED)
find_package(OpenSSL 1.1.1 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(SYSTEM_VALKEY QUIET IMPORTED_TARGET valkey valkey_tls)

if(SYSTEM_VALKEY_FOUND)
    target_link_libraries(dueq_valkey INTERFACE PkgConfig::SYSTEM_VALKEY)
    message(STATUS "libvalkey: the system's, ${SYSTEM_VALKEY_valkey_VERSION}")
elseif(EXISTS "${DUEQ_DEPS_DIR}/libvalkey/stamp")
    set(DUEQ_VALKEY_ARCHIVES
        "${DUEQ_DEPS_DIR}/libvalkey/lib/libvalkey_tls.a"
        "${DUEQ_DEPS_DIR}/libvalkey/lib/libvalkey.a")
    target_include_directories(dueq_valkey SYSTEM INTERFACE "${DUEQ_DEPS_DIR}/libvalkey/include")
    add_library(dueq_valkey_archive STATIC IMPORTED)
    add_library(dueq_valkey_tls_archive STATIC IMPORTED)
    set_target_properties(dueq_valkey_archive PROPERTIES
        IMPORTED_LOCATION "${DUEQ_DEPS_DIR}/libvalkey/lib/libvalkey.a")
    set_target_properties(dueq_valkey_tls_archive PROPERTIES
        IMPORTED_LOCATION "${DUEQ_DEPS_DIR}/libvalkey/lib/libvalkey_tls.a"
        INTERFACE_LINK_LIBRARIES "dueq_valkey_archive;OpenSSL::SSL;OpenSSL::Crypto")
    target_link_libraries(dueq_valkey INTERFACE dueq_valkey_tls_archive)
    file(STRINGS "${DUEQ_DEPS_DIR}/libvalkey/stamp" stamp LIMIT_COUNT 1)
    message(STATUS "libvalkey: ${stamp}, from ${DUEQ_DEPS_DIR}")
else()
    message(FATAL_ERROR
        "libvalkey is not there: neither a system package (pkg-config valkey valkey_tls) nor "
        "${DUEQ_DEPS_DIR}/libvalkey. Run scripts/setup, which builds it.")
endif()
