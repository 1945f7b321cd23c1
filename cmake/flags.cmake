# Compiler and linker flags of every target of ours. Knows nothing of the targets.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug, Release, RelWithDebInfo" FORCE)
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# One set of objects goes into the program, the archive and the shared library.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_FLAGS_DEBUG "-Og -g3")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g -DNDEBUG")

include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

# Everything of ours is compiled with dueq_flags; it is not part of what is installed.
add_library(dueq_flags INTERFACE)
target_compile_definitions(dueq_flags INTERFACE _GNU_SOURCE)
target_compile_options(dueq_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wformat=2 -Wundef -Wcast-qual -Wvla
    $<$<BOOL:${DUEQ_WERROR}>:-Werror>
    -fno-common -fstack-protector-strong)
target_link_options(dueq_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)

if(DUEQ_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
        message(FATAL_ERROR "DUEQ_FUZZ needs clang: cmake --preset fuzz")
    endif()
    string(JOIN "," DUEQ_SANITIZE fuzzer-no-link ${DUEQ_SANITIZE})
endif()

if(DUEQ_SANITIZE)
    set(sanitize -fsanitize=${DUEQ_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_compile_options(dueq_flags INTERFACE ${sanitize})
    target_link_options(dueq_flags INTERFACE ${sanitize})
else()
    target_compile_options(dueq_flags INTERFACE
        $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2>)
endif()

if(DUEQ_COVERAGE)
    target_compile_options(dueq_flags INTERFACE --coverage -fprofile-update=atomic)
    target_link_options(dueq_flags INTERFACE --coverage)
endif()
