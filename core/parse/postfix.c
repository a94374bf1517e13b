#include "postfix_read.h"

bl_slice bl_postfix_instance(bl_slice program)
{
    return bl_slice_head(program, bl_window_find(program, '/'));
}

enum bl_postfix_line bl_postfix_read(const bl_syslog *head, bl_record *out, bl_reply *reply)
{
    struct bl_words words;
    bl_slice qid;
    enum promise promise = look_at(head, &words, &qid);

    if (promise == NOTHING || promise == FOREIGN)
        return is_postfix(head->program) || head->mail ? BL_POSTFIX_OTHER : BL_POSTFIX_NOT;
    return read_promised(promise, head, qid, words, out, reply);
}
