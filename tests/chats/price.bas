PARAM number
RETURN number * 2
