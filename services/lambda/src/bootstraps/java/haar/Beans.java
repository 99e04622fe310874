package haar;

import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The properties of a class: getters, setters, public fields, and a record's components.
 *
 * <p>AWS's own event classes are filled leniently: names match whatever their case, and where
 * there is no constructor without arguments their fields are set.
 */
final class Beans {
    private static final Map<Class<?>, Beans> KNOWN = new ConcurrentHashMap<>();
    private static final String EVENTS = "com.amazonaws.services.lambda.runtime.events.";

    /** One property; any of its ways in and out may be missing. */
    static final class Property {
        final String name;
        Method getter;
        Method setter;
        Field field;

        Property(String name) {
            this.name = name;
        }

        Object get(Object bean) throws Exception {
            try {
                return getter != null ? getter.invoke(bean) : field.get(bean);
            } catch (java.lang.reflect.InvocationTargetException e) {
                throw Failure.unwrap(e);
            }
        }

        void set(Object bean, Object value) throws Exception {
            if (value == null && type() instanceof Class && ((Class<?>) type()).isPrimitive()) {
                return;
            }
            try {
                if (setter != null) {
                    setter.invoke(bean, value);
                } else {
                    field.set(bean, value);
                }
            } catch (java.lang.reflect.InvocationTargetException e) {
                throw Failure.unwrap(e);
            }
        }

        /** What is to be given to {@link #set}. */
        Type type() {
            return setter != null ? setter.getGenericParameterTypes()[0] : field.getGenericType();
        }
    }

    private final Class<?> type;
    private final boolean isEvent;
    private final Map<String, Property> properties = new LinkedHashMap<>();
    private final Map<String, Property> byLooseName = new TreeMap<>();
    private final Constructor<?> plain;
    /** A record's constructor and the names of its components. */
    private final Constructor<?> canonical;
    private final List<String> components;

    static Beans of(Class<?> type) throws Exception {
        Beans beans = KNOWN.get(type);
        if (beans == null) {
            beans = new Beans(type);
            KNOWN.put(type, beans);
        }
        return beans;
    }

    private Beans(Class<?> type) throws Exception {
        this.type = type;
        isEvent = type.getName().startsWith(EVENTS);
        components = Records.components(type);
        canonical = components == null ? null : Records.constructor(type);
        plain = components == null ? plainConstructor(type) : null;
        fields(type);
        methods(type);
        properties.values().removeIf(property ->
                property.getter == null && property.setter == null && property.field == null);
        properties.forEach((name, property) -> byLooseName.putIfAbsent(loose(name), property));
    }

    /** In the order of the class's fields. */
    List<Property> readable() {
        List<Property> all = new ArrayList<>(properties.values());
        all.removeIf(property -> property.getter == null && property.field == null);
        return all;
    }

    /** The property that a member of this name is for; null when there is none. */
    Property writable(String name) {
        Property found = properties.get(name);
        if (found == null && isEvent) {
            found = byLooseName.get(loose(name));
        }
        return found == null || found.setter == null && found.field == null ? null : found;
    }

    boolean isRecord() {
        return canonical != null;
    }

    List<String> components() {
        return components;
    }

    Constructor<?> canonical() {
        return canonical;
    }

    Object make() throws Exception {
        if (plain != null) {
            try {
                return plain.newInstance();
            } catch (java.lang.reflect.InvocationTargetException e) {
                throw Failure.unwrap(e);
            }
        }
        if (isEvent) {
            return Raw.allocate(type);
        }
        throw new IllegalArgumentException("Cannot construct instance of `" + type.getName()
                + "` (no Creators, like default constructor, exist)");
    }

    private static Constructor<?> plainConstructor(Class<?> type) {
        if (type.isInterface() || Modifier.isAbstract(type.getModifiers())) {
            return null;
        }
        try {
            Constructor<?> constructor = type.getDeclaredConstructor();
            constructor.setAccessible(true);
            return constructor;
        } catch (NoSuchMethodException e) {
            return null;
        }
    }

    /** Every field marks a place in the order; only public ones are ways in and out. */
    private void fields(Class<?> holder) {
        if (holder == null || holder == Object.class) {
            return;
        }
        fields(holder.getSuperclass());
        for (Field field : holder.getDeclaredFields()) {
            int modifiers = field.getModifiers();
            if (Modifier.isStatic(modifiers) || Modifier.isTransient(modifiers) || field.isSynthetic()) {
                continue;
            }
            Property property = property(field.getName());
            if (Modifier.isPublic(modifiers) || isEvent && plain == null) {
                field.setAccessible(true);
                property.field = field;
            }
        }
    }

    private void methods(Class<?> holder) throws Exception {
        Map<String, Method> sorted = new TreeMap<>();
        for (Method method : holder.getMethods()) {
            boolean counts = !Modifier.isStatic(method.getModifiers()) && !method.isBridge()
                    && method.getDeclaringClass() != Object.class;
            if (counts) {
                sorted.put(method.toGenericString(), method);
            }
        }
        for (Method method : sorted.values()) {
            getter(method);
        }
        for (Method method : sorted.values()) {
            setter(method);
        }
    }

    private void getter(Method method) {
        String name = method.getName();
        Class<?> returned = method.getReturnType();
        if (method.getParameterCount() > 0 || returned == void.class) {
            return;
        }
        if (components != null && components.contains(name)) {
            property(name).getter = open(method);
        } else if (name.startsWith("get") && name.length() > 3) {
            property(decapitalized(name.substring(3))).getter = open(method);
        } else if (name.startsWith("is") && name.length() > 2
                && (returned == boolean.class || returned == Boolean.class)) {
            Property property = property(decapitalized(name.substring(2)));
            property.getter = property.getter == null ? open(method) : property.getter;
        }
    }

    private void setter(Method method) {
        String name = method.getName();
        if (method.getParameterCount() != 1 || !name.startsWith("set") || name.length() == 3) {
            return;
        }
        Property property = property(decapitalized(name.substring(3)));
        boolean fits = property.getter != null
                && property.getter.getReturnType() == method.getParameterTypes()[0];
        if (property.setter == null || fits) {
            property.setter = open(method);
        }
    }

    private static Method open(Method method) {
        if (!Modifier.isPublic(method.getDeclaringClass().getModifiers())) {
            method.setAccessible(true);
        }
        return method;
    }

    private Property property(String name) {
        return properties.computeIfAbsent(name, Property::new);
    }

    /** As JavaBeans have it: a name that begins with two capitals stays. */
    private static String decapitalized(String name) {
        boolean stays = name.length() > 1 && Character.isUpperCase(name.charAt(0))
                && Character.isUpperCase(name.charAt(1));
        return stays ? name : Character.toLowerCase(name.charAt(0)) + name.substring(1);
    }

    private static String loose(String name) {
        return name.replace("-", "").replace("_", "").toLowerCase(java.util.Locale.ROOT);
    }
}
