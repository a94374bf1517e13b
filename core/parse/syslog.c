#include "syslog_read.h"

bool bl_syslog_read(bl_slice line, struct bl_stamper *stamper, bl_syslog *out)
{
    return read_syslog(line, stamper, out);
}
