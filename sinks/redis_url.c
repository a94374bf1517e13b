#include "redis_url.h"
