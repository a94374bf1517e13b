#include "bounceline/exim.h"

#include "exim_read.h"

bool bl_exim_head(bl_slice line, struct bl_stamper *stamper, bl_syslog *out)
{
    return read_exim_head(line, stamper, out);
}

bool bl_exim_is_program(bl_slice program)
{
    return is_exim(program);
}

enum bl_exim_line bl_exim_read(const bl_syslog *head, bl_exim_room *room, bl_record *out,
                               bl_reply *reply)
{
    bl_syslog rest = *head;
    bl_slice id;
    enum promise promise = look_at_exim(&rest, &id);

    return read_exim_promised(promise, &rest, id, room, out, reply);
}

enum bl_exim_line bl_exim_read_again(const bl_syslog *head, bl_exim_room *room, bl_record *out,
                                     bl_reply *reply)
{
    bl_syslog rest = *head;
    bl_slice id;
    enum promise promise = look_at_exim(&rest, &id);

    if (promise == EXIM_PIECE || promise == EXIM_REPEATED)
        return BL_EXIM_OTHER; /* pieces of pieces are nobody's */
    return read_exim_promised(promise == EXIM_HELD ? EXIM_DELIVERY : promise, &rest, id, room, out,
                              reply);
}
