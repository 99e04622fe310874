package haar;

import java.lang.reflect.Array;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Deque;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.Queue;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/** Turns plain values into what a handler asks for, as leniently as AWS's runtime does. */
final class JsonBinder {
    private JsonBinder() {}

    static Object bind(Object plain, Type type) throws Exception {
        return bind(plain, type, Collections.<TypeVariable<?>, Type>emptyMap());
    }

    private static Object bind(Object plain, Type type, Map<TypeVariable<?>, Type> known)
            throws Exception {
        if (type instanceof TypeVariable) {
            Type bound = known.get(type);
            return bind(plain, bound != null ? bound : ((TypeVariable<?>) type).getBounds()[0], known);
        }
        if (type instanceof WildcardType) {
            return bind(plain, ((WildcardType) type).getUpperBounds()[0], known);
        }
        if (type instanceof GenericArrayType) {
            Type item = ((GenericArrayType) type).getGenericComponentType();
            return array(plain, item, known);
        }
        if (type instanceof ParameterizedType) {
            return generic(plain, (ParameterizedType) type, known);
        }
        return ofClass(plain, (Class<?>) type, new Type[0], known);
    }

    private static Object generic(Object plain, ParameterizedType type,
            Map<TypeVariable<?>, Type> known) throws Exception {
        Class<?> raw = (Class<?>) type.getRawType();
        Type[] arguments = type.getActualTypeArguments().clone();
        Map<TypeVariable<?>, Type> inner = new LinkedHashMap<>();
        for (int i = 0; i < arguments.length; i++) {
            if (arguments[i] instanceof TypeVariable && known.containsKey(arguments[i])) {
                arguments[i] = known.get(arguments[i]);
            }
            inner.put(raw.getTypeParameters()[i], arguments[i]);
        }
        inner.putAll(missing(known, inner));
        return ofClass(plain, raw, arguments, inner);
    }

    private static Map<TypeVariable<?>, Type> missing(Map<TypeVariable<?>, Type> from,
            Map<TypeVariable<?>, Type> in) {
        Map<TypeVariable<?>, Type> more = new LinkedHashMap<>(from);
        more.keySet().removeAll(in.keySet());
        return more;
    }

    private static Object ofClass(Object plain, Class<?> type, Type[] arguments,
            Map<TypeVariable<?>, Type> known) throws Exception {
        if (type == Optional.class) {
            Object inside = bind(plain, argument(arguments, 0), known);
            return Optional.ofNullable(inside);
        }
        if (plain == null) {
            return type.isPrimitive() ? Scalars.zero(type) : null;
        }
        if (type == Object.class || type.isInstance(plain) && !(plain instanceof Collection)
                && !(plain instanceof Map)) {
            return plain;
        }
        if (Scalars.isScalar(type)) {
            return Scalars.of(single(plain), type);
        }
        if (type.isArray()) {
            return array(plain, type.getComponentType(), known);
        }
        if (Collection.class.isAssignableFrom(type) || type == Iterable.class) {
            return collection(plain, type, argument(arguments, 0), known);
        }
        if (Map.class.isAssignableFrom(type)) {
            return map(plain, type, arguments, known);
        }
        return bean(plain, type, known);
    }

    private static Type argument(Type[] arguments, int index) {
        return index < arguments.length ? arguments[index] : Object.class;
    }

    /** An array of one stands for what is in it. */
    private static Object single(Object plain) {
        boolean isOne = plain instanceof List && ((List<?>) plain).size() == 1;
        return isOne ? ((List<?>) plain).get(0) : plain;
    }

    /** A value that is no array stands for an array of it. */
    private static List<?> many(Object plain) {
        return plain instanceof List ? (List<?>) plain : Collections.singletonList(plain);
    }

    private static Object array(Object plain, Type item, Map<TypeVariable<?>, Type> known)
            throws Exception {
        if (item == byte.class && plain instanceof String) {
            return java.util.Base64.getDecoder().decode((String) plain);
        }
        if (item == char.class && plain instanceof String) {
            return ((String) plain).toCharArray();
        }
        List<?> items = many(plain);
        Object array = Array.newInstance(raw(item), items.size());
        for (int i = 0; i < items.size(); i++) {
            Array.set(array, i, bind(items.get(i), item, known));
        }
        return array;
    }

    private static Class<?> raw(Type type) {
        if (type instanceof Class) {
            return (Class<?>) type;
        }
        return type instanceof ParameterizedType
                ? (Class<?>) ((ParameterizedType) type).getRawType() : Object.class;
    }

    @SuppressWarnings("unchecked")
    private static Object collection(Object plain, Class<?> type, Type item,
            Map<TypeVariable<?>, Type> known) throws Exception {
        if (plain instanceof String && ((String) plain).isEmpty()) {
            return null;
        }
        Collection<Object> all = (Collection<Object>) emptyCollection(type);
        for (Object one : many(plain)) {
            all.add(bind(one, item, known));
        }
        return all;
    }

    private static Object emptyCollection(Class<?> type) throws Exception {
        if (!type.isInterface() && !java.lang.reflect.Modifier.isAbstract(type.getModifiers())) {
            return Beans.of(type).make();
        }
        if (type == SortedSet.class || type == NavigableSet.class) {
            return new TreeSet<>();
        }
        if (type.isAssignableFrom(ArrayList.class)) {
            return new ArrayList<>();
        }
        if (type == Queue.class || type == Deque.class) {
            return new ArrayDeque<>();
        }
        return new LinkedHashSet<>();
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Object map(Object plain, Class<?> type, Type[] arguments,
            Map<TypeVariable<?>, Type> known) throws Exception {
        Map<String, Object> members = members(plain, type);
        if (members == null) {
            return null;
        }
        Type keys = argument(arguments, 0);
        Map all;
        if (type == EnumMap.class) {
            all = new EnumMap((Class) keys);
        } else if (!type.isInterface() && !java.lang.reflect.Modifier.isAbstract(type.getModifiers())) {
            all = (Map) Beans.of(type).make();
        } else {
            all = SortedMap.class.isAssignableFrom(type) ? new TreeMap() : new LinkedHashMap();
        }
        for (Map.Entry<String, Object> member : members.entrySet()) {
            Object key = bind(member.getKey(), keys, known);
            all.put(key, bind(member.getValue(), argument(arguments, 1), known));
        }
        return all;
    }

    /** An object's members; null for what stands for no object. */
    @SuppressWarnings("unchecked")
    private static Map<String, Object> members(Object plain, Class<?> type) {
        Object value = single(plain);
        boolean isNone = value == null || value instanceof String && ((String) value).isEmpty()
                || value instanceof List && ((List<?>) value).isEmpty();
        if (isNone) {
            return null;
        }
        if (value instanceof Map) {
            return (Map<String, Object>) value;
        }
        throw new IllegalArgumentException("Cannot deserialize value of type `" + type.getName()
                + "` from " + Scalars.kind(value) + " value");
    }

    private static Object bean(Object plain, Class<?> type, Map<TypeVariable<?>, Type> known)
            throws Exception {
        if (plain instanceof String && !((String) plain).isEmpty() || plain instanceof Number) {
            Object parsed = Scalars.parsed(plain, type);
            if (parsed != null) {
                return parsed;
            }
        }
        Map<String, Object> members = members(plain, type);
        if (members == null) {
            return null;
        }
        Beans beans = Beans.of(type);
        if (beans.isRecord()) {
            return record(members, beans, known);
        }
        Object bean = beans.make();
        for (Map.Entry<String, Object> member : members.entrySet()) {
            Beans.Property property = beans.writable(member.getKey());
            if (property != null) {
                property.set(bean, bind(member.getValue(), property.type(), known));
            }
        }
        return bean;
    }

    private static Object record(Map<String, Object> members, Beans beans,
            Map<TypeVariable<?>, Type> known) throws Exception {
        Type[] types = beans.canonical().getGenericParameterTypes();
        Object[] values = new Object[types.length];
        for (int i = 0; i < types.length; i++) {
            values[i] = bind(members.get(beans.components().get(i)), types[i], known);
        }
        try {
            return beans.canonical().newInstance(values);
        } catch (java.lang.reflect.InvocationTargetException e) {
            throw Failure.unwrap(e);
        }
    }
}
