package haar;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Base64;
import java.util.Date;
import java.util.List;
import java.util.Map;

/** Values that JSON has as one text, number or truth. */
final class Scalars {
    private Scalars() {}

    static boolean isScalar(Class<?> type) {
        return type.isPrimitive() || type.isEnum() || Number.class.isAssignableFrom(type)
                || type == String.class || type == CharSequence.class || type == Character.class
                || type == Boolean.class || type == Date.class || type == Instant.class
                || ByteBuffer.class.isAssignableFrom(type);
    }

    /** What a primitive is where JSON has null. */
    static Object zero(Class<?> primitive) {
        return primitive == void.class ? null : Array.get(Array.newInstance(primitive, 1), 0);
    }

    /** What a method answers that has nothing to say. */
    static Object absent(Class<?> returned) {
        return returned.isPrimitive() ? zero(returned) : null;
    }

    static Object of(Object plain, Class<?> type) throws Exception {
        if (plain instanceof Map || plain instanceof List) {
            throw mismatch(plain, type);
        }
        String text = String.valueOf(plain);
        if (type == String.class || type == CharSequence.class) {
            return text;
        }
        if (text.isEmpty()) {
            return type.isPrimitive() ? zero(type) : null;
        }
        if (type.isEnum()) {
            return constant(plain, text, type);
        }
        if (type == boolean.class || type == Boolean.class) {
            return truth(plain, type);
        }
        if (type == char.class || type == Character.class) {
            return text.charAt(0);
        }
        if (type == Date.class) {
            return Date.from(plain instanceof Number
                    ? Instant.ofEpochMilli(((Number) plain).longValue()) : instant(text));
        }
        if (type == Instant.class) {
            return plain instanceof Number ? moment((Number) plain) : instant(text);
        }
        if (ByteBuffer.class.isAssignableFrom(type)) {
            return ByteBuffer.wrap(Base64.getDecoder().decode(text));
        }
        return number(plain, text, type);
    }

    private static Object constant(Object plain, String text, Class<?> type) {
        Object[] all = type.getEnumConstants();
        for (Object one : all) {
            if (((Enum<?>) one).name().equals(text)) {
                return one;
            }
        }
        boolean isIndex = plain instanceof Integer && (Integer) plain >= 0
                && (Integer) plain < all.length;
        return isIndex ? all[(Integer) plain] : null;
    }

    private static Object truth(Object plain, Class<?> type) {
        if (plain instanceof Boolean) {
            return plain;
        }
        if (plain instanceof Number) {
            return ((Number) plain).doubleValue() != 0;
        }
        if ("true".equals(plain) || "false".equals(plain)) {
            return "true".equals(plain);
        }
        throw mismatch(plain, type);
    }

    private static Instant instant(String text) {
        try {
            return Instant.parse(text);
        } catch (java.time.format.DateTimeParseException e) {
            return java.time.OffsetDateTime.parse(text).toInstant();
        }
    }

    private static Instant moment(Number seconds) {
        BigDecimal exact = new BigDecimal(seconds.toString());
        long whole = exact.longValue();
        return Instant.ofEpochSecond(whole, exact.subtract(BigDecimal.valueOf(whole))
                .movePointRight(9).longValue());
    }

    private static Object number(Object plain, String text, Class<?> type) {
        if (plain instanceof Boolean) {
            throw mismatch(plain, type);
        }
        BigDecimal exact;
        try {
            exact = new BigDecimal(text.trim());
        } catch (NumberFormatException e) {
            if (type == double.class || type == Double.class) {
                return Double.valueOf(text); // NaN and its like
            }
            throw mismatch(plain, type);
        }
        if (type == int.class || type == Integer.class) {
            return (int) ranged(exact, Integer.MIN_VALUE, Integer.MAX_VALUE, type);
        } else if (type == long.class || type == Long.class) {
            return ranged(exact, Long.MIN_VALUE, Long.MAX_VALUE, type);
        } else if (type == double.class || type == Double.class) {
            return exact.doubleValue();
        } else if (type == float.class || type == Float.class) {
            return exact.floatValue();
        } else if (type == short.class || type == Short.class) {
            return (short) ranged(exact, Short.MIN_VALUE, Short.MAX_VALUE, type);
        } else if (type == byte.class || type == Byte.class) {
            return (byte) ranged(exact, Byte.MIN_VALUE, 255, type);
        } else if (type == BigInteger.class) {
            return exact.toBigInteger();
        } else if (type == BigDecimal.class) {
            return exact;
        }
        return plain;
    }

    private static long ranged(BigDecimal exact, long least, long most, Class<?> type) {
        BigInteger whole = exact.toBigInteger();
        boolean fits = whole.bitLength() < 64 && whole.longValue() >= least && whole.longValue() <= most;
        if (!fits) {
            throw new IllegalArgumentException("Numeric value (" + exact + ") out of range of "
                    + type.getSimpleName());
        }
        return whole.longValue();
    }

    /**
     * A value of a class that has a way of its own to be made from one text or number, such as
     * UUID or LocalDate; null when it has none.
     */
    static Object parsed(Object plain, Class<?> type) throws Exception {
        if (type.isInterface() || Modifier.isAbstract(type.getModifiers())) {
            return null;
        }
        try {
            for (String name : new String[] {"parse", "fromString", "valueOf", "of"}) {
                for (Method method : type.getMethods()) {
                    boolean fits = method.getName().equals(name) && takes(method.getParameterTypes(), plain)
                            && Modifier.isStatic(method.getModifiers())
                            && type.isAssignableFrom(method.getReturnType());
                    if (fits) {
                        return method.invoke(null, plain);
                    }
                }
            }
            for (Constructor<?> constructor : type.getConstructors()) {
                if (takes(constructor.getParameterTypes(), plain)) {
                    return constructor.newInstance(plain);
                }
            }
            return null;
        } catch (InvocationTargetException e) {
            throw Failure.unwrap(e);
        }
    }

    private static boolean takes(Class<?>[] parameters, Object plain) {
        if (parameters.length != 1 || parameters[0] == Object.class) {
            return false;
        }
        return parameters[0].isInstance(plain)
                || parameters[0] == int.class && plain instanceof Integer;
    }

    /** For messages, as in `Object value`. */
    static String kind(Object plain) {
        if (plain instanceof Map) {
            return "Object";
        }
        if (plain instanceof List) {
            return "Array";
        }
        return plain instanceof String ? "String" : plain instanceof Number ? "Number" : "Boolean";
    }

    private static IllegalArgumentException mismatch(Object plain, Class<?> type) {
        return new IllegalArgumentException("Cannot deserialize value of type `" + type.getName()
                + "` from " + kind(plain) + " value");
    }
}
