package haar;

import java.lang.reflect.Array;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Base64;
import java.util.Calendar;
import java.util.Date;
import java.util.Map;
import java.util.Optional;

/** Writes any value as JSON, leaving out members that are null, as AWS's runtime does. */
final class JsonWriter {
    private static final char[] HEX = "0123456789abcdef".toCharArray();

    private final StringBuilder out = new StringBuilder();

    private JsonWriter() {}

    static String write(Object value) throws Exception {
        JsonWriter writer = new JsonWriter();
        writer.value(value);
        return writer.out.toString();
    }

    private void value(Object value) throws Exception {
        if (value == null) {
            out.append("null");
        } else if (value instanceof CharSequence || value instanceof Character) {
            string(value.toString());
        } else if (value instanceof Number) {
            number((Number) value);
        } else if (value instanceof Boolean) {
            out.append(value);
        } else if (value instanceof Map) {
            map((Map<?, ?>) value);
        } else if (value instanceof Iterable) {
            iterable((Iterable<?>) value);
        } else if (value.getClass().isArray()) {
            array(value);
        } else if (value instanceof Optional) {
            value(((Optional<?>) value).orElse(null));
        } else if (value instanceof Enum) {
            string(((Enum<?>) value).name());
        } else {
            other(value);
        }
    }

    private void other(Object value) throws Exception {
        if (value instanceof Date) {
            out.append(((Date) value).getTime());
        } else if (value instanceof Calendar) {
            out.append(((Calendar) value).getTimeInMillis());
        } else if (value instanceof Instant) {
            Instant instant = (Instant) value;
            out.append(String.format("%d.%09d", instant.getEpochSecond(), instant.getNano()));
        } else if (value instanceof ByteBuffer) {
            ByteBuffer bytes = ((ByteBuffer) value).duplicate();
            byte[] copy = new byte[bytes.remaining()];
            bytes.get(copy);
            string(Base64.getEncoder().encodeToString(copy));
        } else if (value instanceof Class) {
            string(((Class<?>) value).getName());
        } else if (isText(value.getClass())) {
            string(value.toString());
        } else {
            bean(value);
        }
    }

    /** Values of the platform that are best told as text: times, UUIDs, files, addresses. */
    private static boolean isText(Class<?> type) {
        return type.getName().startsWith("java.") || type.getName().startsWith("sun.")
                || type.getName().startsWith("org.joda.time.");
    }

    private void bean(Object bean) throws Exception {
        out.append('{');
        boolean first = true;
        for (Beans.Property property : Beans.of(bean.getClass()).readable()) {
            first = member(property.name, property.get(bean), first);
        }
        out.append('}');
    }

    private void map(Map<?, ?> map) throws Exception {
        out.append('{');
        boolean first = true;
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            Object key = entry.getKey();
            String name = key instanceof Enum ? ((Enum<?>) key).name() : String.valueOf(key);
            first = member(name, entry.getValue(), first);
        }
        out.append('}');
    }

    private boolean member(String name, Object value, boolean first) throws Exception {
        if (value == null) {
            return first;
        }
        if (!first) {
            out.append(',');
        }
        string(name);
        out.append(':');
        value(value);
        return false;
    }

    private void iterable(Iterable<?> items) throws Exception {
        char before = '[';
        for (Object item : items) {
            out.append(before);
            value(item);
            before = ',';
        }
        out.append(before == '[' ? "[]" : "]");
    }

    private void array(Object array) throws Exception {
        if (array instanceof byte[]) {
            string(Base64.getEncoder().encodeToString((byte[]) array));
            return;
        }
        if (array instanceof char[]) {
            string(new String((char[]) array));
            return;
        }
        out.append('[');
        for (int i = 0; i < Array.getLength(array); i++) {
            out.append(i == 0 ? "" : ",");
            value(Array.get(array, i));
        }
        out.append(']');
    }

    private void number(Number number) {
        double value = number instanceof Double || number instanceof Float ? number.doubleValue() : 0;
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            string(number.toString());
        } else {
            out.append(number);
        }
    }

    private void string(String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char letter = text.charAt(i);
            switch (letter) {
                case '"':
                case '\\':
                    out.append('\\').append(letter);
                    break;
                case '\n':
                    out.append("\\n");
                    break;
                case '\r':
                    out.append("\\r");
                    break;
                case '\t':
                    out.append("\\t");
                    break;
                default:
                    if (letter < ' ') {
                        out.append("\\u00").append(HEX[letter >> 4]).append(HEX[letter & 15]);
                    } else {
                        out.append(letter);
                    }
            }
        }
        out.append('"');
    }
}
