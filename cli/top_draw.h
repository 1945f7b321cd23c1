/* Puts the model of dueq top on the screen. */
#ifndef DUEQ_CLI_TOP_DRAW_H
#define DUEQ_CLI_TOP_DRAW_H

#include "top_model.h"

/* What the model does not know, and changes without it. */
typedef struct top_scene {
    const char *url;
    int64_t now_us;   /* by a clock that never steps */
    int64_t now_ms;   /* by this machine's calendar */
    int64_t waits_us; /* for how long the server has owed an answer */
} top_scene;

void top_draw(top_model *model, const top_scene *scene);

#endif
