# Packs the scripts of lua/ into C under ${DUEQ_GENERATED_DIR}, which is an include root of src/ (see
# lua/pack). Sets DUEQ_GENERATED: the files that must stand before src/ is compiled.

set(DUEQ_GENERATED_DIR "${PROJECT_BINARY_DIR}/generated")
set(DUEQ_GENERATED "${DUEQ_GENERATED_DIR}/scripts.c" "${DUEQ_GENERATED_DIR}/scripts.h")

file(GLOB DUEQ_LUA CONFIGURE_DEPENDS
    "${PROJECT_SOURCE_DIR}/lua/*.lua" "${PROJECT_SOURCE_DIR}/lua/shared/*.lua")
set(DUEQ_OUTCOMES
    "${PROJECT_SOURCE_DIR}/src/outcome.def" "${PROJECT_SOURCE_DIR}/src/queue/script_outcome.def")

add_custom_command(
    OUTPUT ${DUEQ_GENERATED}
    COMMAND "${PROJECT_SOURCE_DIR}/lua/pack"
        "${PROJECT_SOURCE_DIR}/lua" "${DUEQ_GENERATED_DIR}" ${DUEQ_OUTCOMES}
    DEPENDS ${DUEQ_LUA} ${DUEQ_OUTCOMES}
        "${PROJECT_SOURCE_DIR}/lua/pack"
        "${PROJECT_SOURCE_DIR}/lua/expand.awk"
        "${PROJECT_SOURCE_DIR}/lua/emit.awk"
    COMMENT "Packing the scripts of lua/"
    VERBATIM)
